import { Type } from "typebox";
import { registerAccountRoutes } from "./account-routes.ts";
import { registerApiKeyRoutes } from "./api-key-routes.ts";
import { registerHistoryRoutes } from "./history-routes.ts";
import { registerHoldRoutes } from "./hold-routes.ts";
import type { RestServer } from "./http-server.ts";
import { json } from "./rest-schema-parts.ts";
import type { CallRpc } from "./rpc-calls.ts";
import type { StreamRpc } from "./rpc-streams.ts";
import { registerTransactionRoutes } from "./transaction-routes.ts";
import { registerWalletLifeRoutes } from "./wallet-life-routes.ts";
import { registerWalletRoutes } from "./wallet-routes.ts";

/** How routes reach the services. */
export interface RouteCalls {
  readonly wallets: CallRpc;
  readonly history: CallRpc;
  readonly historyStream: StreamRpc;
}

/**
 * The REST surface. Each file of routes says method, path, RPC, what is asked of it and what is
 * answered.
 */
export function registerRoutes(app: RestServer, calls: RouteCalls): void {
  registerWalletRoutes(app, calls.wallets);
  registerWalletLifeRoutes(app, calls.wallets);
  registerHoldRoutes(app, calls.wallets);
  registerTransactionRoutes(app, calls.wallets);
  registerHistoryRoutes(app, calls.history, calls.historyStream);
  registerAccountRoutes(app, calls);
  registerApiKeyRoutes(app, calls.wallets);
  app.get("/health", { schema: health }, () => ({ status: "ok" }) as const);
}

const health = {
  operationId: "health",
  summary: "Whether the gateway runs",
  description: "Says nothing about the services behind it.",
  tags: ["service"],
  security: [],
  response: { 200: json("It runs.", Type.Object({ status: Type.Literal("ok") }), {}) },
};
