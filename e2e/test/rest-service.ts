import { gatewaySchema, startGateway } from "@pelikuni/gateway/start-gateway";
import type { AuthConfiguration } from "@pelikuni/runtime/access/auth-configuration";
import { createLogger } from "@pelikuni/runtime/logger";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import {
  startWalletService,
  walletServiceSchema,
} from "@pelikuni/wallet-service/start-wallet-service";
import { expect } from "vitest";
import { createTestDatabase, type TestDatabase } from "../src/test-database.ts";

/** A gateway before a wallet-service on a database of its own, reached over gRPC. */
export interface RestService extends AsyncDisposable {
  /** The gateway's address, for example "http://127.0.0.1:12345". */
  readonly origin: string;
  /** The database as its owner, to look at what was written. */
  readonly ownerUrl: string;
  /** Creates a wallet and brings money into it, unless the balance is "0". */
  wallet(userId: string, balance?: string, currency?: string): Promise<WalletView>;
  /** Sends a request; a body that is no string is sent as JSON. */
  send(method: string, path: string, body?: unknown, headers?: object): Promise<RestAnswer>;
}

/** A wallet as a client of REST sees it. */
export interface WalletView {
  readonly id: string;
  readonly user_id: string;
  readonly balance: string;
  readonly version: number;
}

/** What a client of REST gets; the body is parsed JSON, undefined when there is none. */
export interface RestAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** In what a service differs from others. */
export interface RestServiceOptions {
  /** Puts something before Postgres: gets its port and gives the one to use. */
  readonly postgresPort?: (port: number) => number | Promise<number>;
  /** Puts something before the wallet-service, likewise. */
  readonly grpcPort?: (port: number) => number | Promise<number>;
  /** The database of another one, whose replica this one is; its own when left out. */
  readonly database?: TestDatabase;
  /** Who may call; everybody when left out. */
  readonly auth?: AuthConfiguration;
  /** The wallet-service's clock, milliseconds since 1970. */
  readonly now?: () => number;
  /** The currencies that wallets may have. */
  readonly currencies?: Readonly<
    Record<string, { readonly decimals?: number; readonly transfer_amount_max?: string }>
  >;
}

const defaultCurrencies = { USD: { decimals: 4 }, EUR: { decimals: 4 }, JPY: {}, KWD: {} };

/** Starts everything between a REST client and the tables. */
export function startRestService(options: RestServiceOptions = {}): Promise<RestService> {
  return buildWithResources(async (resources) => {
    const logger = createLogger("e2e", { level: "silent", format: "json" });
    const database = options.database ?? resources.use(await createTestDatabase());
    const serviceUrl = new URL(database.serviceUrl);
    const postgresPort = await options.postgresPort?.(Number(serviceUrl.port));
    if (postgresPort !== undefined) serviceUrl.port = String(postgresPort);
    const wallets = resources.use(
      await startWalletService({
        configuration: walletServiceSchema.parse({
          grpc: { host: "127.0.0.1", port: 0 },
          http: { host: "127.0.0.1", port: 0, cors_origins: [] },
          database: {
            url: serviceUrl.href,
            migration_url: database.ownerUrl,
            connections_max: 4,
          },
          limits: {},
          queue_length_max: 10_000,
          cached_wallets_max: 10_000,
          currencies: options.currencies ?? defaultCurrencies,
          accounts: ["external", "bank", "fees", "fx"],
          hold_days_max: 31,
          request_ids_kept_days: 7,
        }),
        logger,
        ...(options.auth && { auth: options.auth }),
        ...(options.now && { now: options.now }),
      }),
    );
    const grpcPort = (await options.grpcPort?.(wallets.grpcPort)) ?? wallets.grpcPort;
    const wallet_service_address = `127.0.0.1:${grpcPort}`;
    const configuration = gatewaySchema.parse({ port: 0, wallet_service_address });
    const gateway = resources.use(await startGateway({ configuration, logger }));
    const origin = `http://127.0.0.1:${gateway.port}`;
    return {
      ...restClient(origin),
      ownerUrl: database.ownerUrl,
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

/** A client of the gateway at an address. */
export function restClient(origin: string): Pick<RestService, "origin" | "wallet" | "send"> {
  const send: RestService["send"] = async (method, path, body, headers = {}) => {
    const json = { "Content-Type": "application/json" };
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const response = await fetch(origin + path, {
      method,
      headers: { ...(body === undefined ? {} : json), ...headers },
      ...(body === undefined ? {} : { body: text }),
    });
    const answer = await response.text();
    const type = response.headers.get("content-type") ?? "";
    return {
      status: response.status,
      headers: response.headers,
      body: type.includes("json") && answer !== "" ? JSON.parse(answer) : answer || undefined,
    };
  };
  return {
    origin,
    send,
    wallet: async (userId, balance = "0", currency = "USD") => {
      const created = await send("POST", "/wallets", { user_id: userId, currency });
      expect(created.status).toBe(201);
      const wallet = walletOf(created);
      if (balance === "0") return wallet;
      return walletOf(await send("POST", `/wallets/${wallet.id}/fund`, { amount: balance }));
    },
  };
}

/** The wallet that an answer shows. */
export function walletOf({ body }: RestAnswer): WalletView {
  if (!isWallet(body)) throw new Error(`No wallet: ${JSON.stringify(body)}`);
  return body;
}

/** The wallets that an answer lists. */
export function walletsOf({ body }: RestAnswer): readonly WalletView[] {
  if (!Array.isArray(body) || !body.every(isWallet)) throw new Error("No list of wallets");
  return body;
}

function isWallet(value: unknown): value is WalletView {
  return typeof value === "object" && value !== null && "id" in value && "balance" in value;
}

/** Checks that an answer is a problem with this status and these members. */
export function expectProblem(answer: RestAnswer, status: number, members: object): void {
  expect(answer.body).toMatchObject({ type: "about:blank", status, ...members });
  expect(answer.status).toBe(status);
  expect(answer.headers.get("content-type")).toBe("application/problem+json; charset=utf-8");
  expect(JSON.stringify(answer.body)).not.toMatch(
    /node_modules|\.ts:|\bat \w+ \(|select |insert /i,
  );
}
