import { gatewaySchema, startGateway } from "@pelikuni/gateway/start-gateway";
import { createLogger } from "@pelikuni/runtime/logger";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import { type HistoryBed, startHistoryBed } from "../src/history-bed.ts";
import { type RestService, restClient } from "./rest-service.ts";

/** A wallet-service, a history-service fed by it, and a gateway before both. */
export interface RestHistoryBed extends AsyncDisposable {
  readonly history: HistoryBed;
  readonly rest: Pick<RestService, "origin" | "wallet" | "send">;
}

// Long enough for anything that is there; tests wait for it where something is not.
const requestTimeoutMs = 1_500;

/** Starts all three. */
export async function startRestHistoryBed(): Promise<RestHistoryBed> {
  return await buildWithResources(async (resources) => {
    const history = resources.use(await startHistoryBed());
    const gateway = resources.use(
      await startGateway({
        configuration: gatewaySchema.parse({
          port: 0,
          request_timeout_ms: requestTimeoutMs,
          wallet_service_address: `127.0.0.1:${history.walletGrpcPort}`,
          history_service_address: `127.0.0.1:${history.historyGrpcPort}`,
        }),
        logger: createLogger("test", { level: "silent", format: "json" }),
      }),
    );
    return {
      history,
      rest: restClient(`http://127.0.0.1:${gateway.port}`),
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}
