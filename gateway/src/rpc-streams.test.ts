import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect } from "node:net";
import { fileURLToPath } from "node:url";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, createRouterTransport, type ServiceImpl } from "@connectrpc/connect";
import { HistoryService } from "@pelikuni/gen/history/v1/history_service_pb";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { authSchema } from "@pelikuni/runtime/access/auth-configuration";
import { createLogger } from "@pelikuni/runtime/logger";
import { rpcError } from "@pelikuni/runtime/rpc-errors";
import { rpcLimitsSchema, rpcService, startRpcServer } from "@pelikuni/runtime/rpc-server";
import { afterEach, expect, test, vi } from "vitest";
import { type Gateway, gatewaySchema, startGateway } from "./start-gateway.ts";

const id = "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1";
const occurredAt = timestampFromMs(0);
const entry = { walletId: id, status: WalletStatus.ACTIVE, occurredAt };
const opening = {
  part: { case: "opening", value: { walletId: id, from: occurredAt, to: occurredAt } },
} as const;
const entryPart = { part: { case: "entry", value: entry } } as const;
const path = `/wallets/${id}/statement?from=2026-01-01&to=2027-01-01&format=csv`;
const logger = createLogger("test", { level: "silent", format: "json" });
const requestTimeoutMs = 300;
const running: AsyncDisposable[] = [];

type Statement = NonNullable<ServiceImpl<typeof HistoryService>["getStatement"]>;

afterEach(async () => {
  for (const service of running.splice(0)) await service[Symbol.asyncDispose]();
});

const unused = (): never => {
  throw new Error("Not part of this test");
};
const notHere: ServiceImpl<typeof HistoryService> = {
  listEntries: unused,
  getTransaction: unused,
  getBalanceAt: unused,
  getStatement: unused,
  watchWallet: unused,
  verifyWallet: unused,
  verifyJournal: unused,
  getCompleteness: unused,
  reconcile: unused,
  listParkedEvents: unused,
  replayParkedEvent: unused,
  getAccountTotal: unused,
  listAccountEntries: unused,
};

/** A gateway before a history-service that makes statements so, over gRPC. */
async function start(getStatement: Statement, gatewayLogger = logger): Promise<Gateway> {
  const implementation = {
    ...notHere,
    getBalanceAt: () => ({ entry, completeTo: 7n }),
    getStatement,
  };
  const descriptors = fileURLToPath(import.meta.resolve("@pelikuni/gen/descriptors.binpb"));
  const history = await startRpcServer({
    services: [rpcService(HistoryService, implementation)],
    descriptorSet: await readFile(descriptors),
    grpc: { host: "127.0.0.1", port: 0 },
    http: { host: "127.0.0.1", port: 0, corsOrigins: [] },
    limits: rpcLimitsSchema.parse({}),
    access: { auth: authSchema.parse({}) },
    logger,
  });
  const history_service_address = `127.0.0.1:${history.grpcPort}`;
  const limits = { port: 0, request_timeout_ms: requestTimeoutMs };
  const gateway = await startGateway({
    configuration: gatewaySchema.parse({ ...limits, history_service_address }),
    logger: gatewayLogger,
    walletTransport: createRouterTransport(() => undefined),
  });
  running.push(gateway, history);
  return gateway;
}

test("an answer that breaks off is cut, so that nobody takes it for a whole one", async () => {
  const gateway = await start(async function* () {
    yield opening;
    for (let count = 0; count < 1_000; count += 1) yield entryPart;
    throw rpcError({ code: Code.DataLoss, reason: "HISTORY_DAMAGED", message: "No" });
  });
  const response = await fetch(`http://127.0.0.1:${gateway.port}${path}`);
  expect(response.status).toBe(200);
  await expect(response.text()).rejects.toThrow("terminated");
});

test("a refusal before the first message is answered with its status", async () => {
  const gateway = await start(async function* () {
    yield* [];
    throw rpcError({ code: Code.Unavailable, reason: "DATABASE_UNAVAILABLE", message: "No" });
  });
  const response = await fetch(`http://127.0.0.1:${gateway.port}${path}`);
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ reason: "DATABASE_UNAVAILABLE" });
});

test("damage that is found before the first message is told, and logged", async () => {
  const lines: string[] = [];
  const sink = { write: (line: string) => void lines.push(line) };
  const detail = `The history of wallet ${id} is damaged at its version 3`;
  const gateway = await start(
    async function* () {
      yield* [];
      throw rpcError({ code: Code.DataLoss, reason: "HISTORY_DAMAGED", message: detail });
    },
    createLogger("test", { level: "warn", format: "json" }, sink),
  );
  const response = await fetch(`http://127.0.0.1:${gateway.port}${path}`);
  expect(response.headers.get("content-type")).toBe("application/problem+json; charset=utf-8");
  expect(await response.json()).toEqual({
    type: "about:blank",
    title: "Internal Server Error",
    status: 500,
    reason: "HISTORY_DAMAGED",
    detail,
  });
  expect(lines).toEqual([expect.stringContaining(detail)]);
});

test("HEAD ends the stream once its status is known, and sends the headers of GET", async () => {
  let sent = 0;
  let ended = false;
  const gateway = await start(async function* () {
    try {
      yield opening;
      for (; sent < 1_000_000; sent += 1) yield entryPart;
    } finally {
      ended = true;
    }
  });
  // A client that keeps its connection: the end of one ends the stream anyway.
  const client = connect(gateway.port, "127.0.0.1").resume();
  client.write(`HEAD ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await vi.waitUntil(() => ended, { timeout: 10_000 });
  expect(sent).toBeLessThan(100_000);
  client.destroy();
  const head = await fetch(`http://127.0.0.1:${gateway.port}${path}`, { method: "HEAD" });
  const get = await fetch(`http://127.0.0.1:${gateway.port}${path}`);
  await get.body?.cancel();
  const ofConnection = ["connection", "date", "keep-alive", "transfer-encoding"];
  const headersOf = ({ headers }: Response): string[][] =>
    [...headers].filter(([name]) => !ofConnection.includes(name));
  expect(head.status).toBe(200);
  expect(headersOf(head)).toEqual(headersOf(get));
});

test("the first message has the request's time-out, and the following ones have not", async () => {
  let delayMs = 10 * requestTimeoutMs;
  const gateway = await start(async function* (_request, { signal }) {
    const late = AbortSignal.any([signal, AbortSignal.timeout(delayMs)]);
    await once(late, "abort");
    yield opening;
    await once(AbortSignal.timeout(2 * requestTimeoutMs), "abort");
    signal.throwIfAborted();
    yield entryPart;
  });
  const late = await fetch(`http://127.0.0.1:${gateway.port}${path}`);
  expect(late.status).toBe(504);
  expect(await late.json()).toMatchObject({ reason: "DEADLINE_EXCEEDED" });
  delayMs = 1;
  const response = await fetch(`http://127.0.0.1:${gateway.port}${path}`);
  expect((await response.text()).split("\r\n")).toHaveLength(4);
});

test("a stream is read no faster than its client reads, and ends with him", async () => {
  let sent = 0;
  let ended = false;
  const gateway = await start(async function* () {
    try {
      yield opening;
      for (; sent < 1_000_000; sent += 1) yield entryPart;
    } finally {
      ended = true;
    }
  });
  const client = connect(gateway.port, "127.0.0.1").pause();
  await once(client, "connect");
  client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await once(client, "readable");
  let before = -1;
  await vi.waitUntil(
    () => {
      const still = sent === before;
      before = sent;
      return still;
    },
    { interval: 200, timeout: 40_000 },
  );
  expect(sent).toBeLessThan(500_000);
  expect(ended).toBe(false);
  client.destroy();
  await expect.poll(() => ended).toBe(true);
}, 60_000);
