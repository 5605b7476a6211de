import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import {
  type Client,
  Code,
  ConnectError,
  createClient,
  type ServiceImpl,
  type Transport,
} from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { authSchema } from "../src/access/auth-configuration.ts";
import type { Caller } from "../src/access/caller.ts";
import type { ServerTls } from "../src/certificates.ts";
import { createLogger } from "../src/logger.ts";
import {
  type RpcServer,
  type RpcService,
  rpcLimitsSchema,
  rpcService,
  startRpcServer,
} from "../src/rpc-server.ts";
import { createGrpcTransport } from "../src/rpc-transport.ts";

/** Every way into a server. */
export const waysIn = ["in process", "gRPC", "Connect", "Connect with JSON", "gRPC-Web"] as const;

export type WayIn = (typeof waysIn)[number];

export const walletId = "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1";
export const otherWalletId = "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a2";
export const corsOrigin = "https://console.example.com";

export const validTransfer = {
  fromWalletId: walletId,
  toWalletId: otherWalletId,
  amount: "25.50",
};

/** A running server, with a client for each way into it. */
export interface TestServer extends AsyncDisposable {
  readonly server: RpcServer;
  /** What was logged at level warn and above, one JSON line each. */
  readonly log: string[];
  readonly transport: (wayIn: WayIn) => Transport;
  readonly wallets: (wayIn: WayIn) => Client<typeof WalletService>;
  readonly url: (path: string) => string;
}

export type WalletHandlers = Partial<ServiceImpl<typeof WalletService>>;

export async function startTestServer(options: {
  readonly handlers?: WalletHandlers;
  readonly services?: readonly RpcService[];
  readonly limits?: Record<string, number>;
  /** Of both ports; the clients below do not speak it. */
  readonly tls?: ServerTls;
  /** Those who may call, by their API keys; left out: everybody may do everything. */
  readonly callers?: ReadonlyMap<string, Caller>;
}): Promise<TestServer> {
  const { tls, callers } = options;
  const log: string[] = [];
  const server = await startRpcServer({
    services: [
      rpcService(WalletService, withDefaults(options.handlers)),
      ...(options.services ?? []),
    ],
    descriptorSet: await readDescriptorSet(),
    grpc: { host: "127.0.0.1", port: 0, tls },
    http: { host: "127.0.0.1", port: 0, tls, corsOrigins: [corsOrigin] },
    limits: rpcLimitsSchema.parse(options.limits),
    access: {
      auth: authSchema.parse({ api_keys: callers !== undefined }),
      findApiKey: async (secret) => callers?.get(secret),
    },
    logger: createLogger(
      "test",
      { level: "warn", format: "json" },
      { write: (line) => log.push(line) },
    ),
  });
  const baseUrl = `http://127.0.0.1:${server.httpPort}`;
  const grpc = createGrpcTransport({
    address: `127.0.0.1:${server.grpcPort}`,
    messageBytesMax: 1_048_576,
    deadlineDefaultMs: 20_000,
  });
  const transports: Record<WayIn, Transport> = {
    "in process": server.transport,
    gRPC: grpc,
    Connect: createConnectTransport({ baseUrl, httpVersion: "1.1" }),
    "Connect with JSON": createConnectTransport({
      baseUrl,
      httpVersion: "1.1",
      useBinaryFormat: false,
    }),
    "gRPC-Web": createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  };
  return {
    server,
    log,
    transport: (wayIn) => transports[wayIn],
    wallets: (wayIn) => createClient(WalletService, transports[wayIn]),
    url: (path) => baseUrl + path,
    [Symbol.asyncDispose]: async () => {
      await grpc[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** The error that a call fails with. */
export async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof ConnectError) return outcome;
  throw new Error(`Expected a ConnectError, got ${String(outcome)}`);
}

/** A promise with its resolve function; Node 20 has no Promise.withResolvers. */
export function deferred<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let settle: ((value: T) => void) | undefined;
  const promise = new Promise<T>((resolve) => {
    settle = resolve;
  });
  return { promise, resolve: (value) => settle?.(value) };
}

export function readDescriptorSet(): Promise<Uint8Array> {
  return readFile(fileURLToPath(import.meta.resolve("@pelikuni/gen/descriptors.binpb")));
}

function withDefaults(handlers: WalletHandlers = {}): ServiceImpl<typeof WalletService> {
  const notHere = (): never => {
    throw new ConnectError("Not part of this test", Code.Unimplemented);
  };
  return {
    createWallet: notHere,
    getWallet: (request) => ({ wallet: { id: request.walletId } }),
    listWallets: notHere,
    fundWallet: notHere,
    transfer: (request) => ({ fromWallet: { id: request.fromWalletId } }),
    batchTransfer: notHere,
    withdraw: notHere,
    postTransaction: notHere,
    reverseTransaction: notHere,
    placeHold: notHere,
    captureHold: notHere,
    releaseHold: notHere,
    getHold: notHere,
    listHolds: notHere,
    freezeWallet: notHere,
    unfreezeWallet: notHere,
    closeWallet: notHere,
    updateWallet: notHere,
    listCurrencies: notHere,
    listAccounts: notHere,
    subscribeEvents: notHere,
    getLastPosition: notHere,
    snapshotWallets: notHere,
    ...handlers,
  };
}
