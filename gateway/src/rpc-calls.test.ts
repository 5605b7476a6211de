import { EventEmitter, once } from "node:events";
import { connect } from "node:net";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createRouterTransport, type ServiceImpl } from "@connectrpc/connect";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { createLogger } from "@pelikuni/runtime/logger";
import { rpcError } from "@pelikuni/runtime/rpc-errors";
import { afterEach, expect, test, vi } from "vitest";
import { type Gateway, gatewaySchema, startGateway } from "./start-gateway.ts";

const id = "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1";
const at = timestampFromMs(0);
const wallet = { id, version: 1n, createTime: at, updateTime: at };
const answer = { receipt: { transactionId: id, position: 1n, occurredAt: at }, wallet };
const unavailable = { code: Code.Unavailable, reason: "OVERLOADED", message: "Too many at once" };
const gateways: Gateway[] = [];

afterEach(async () => {
  for (const gateway of gateways.splice(0)) await gateway[Symbol.asyncDispose]();
});

async function start(
  implementation: Partial<ServiceImpl<typeof WalletService>>,
  limits: object = {},
): Promise<Gateway> {
  const walletTransport = createRouterTransport(({ service }) => {
    service(WalletService, implementation);
  });
  const configuration = gatewaySchema.parse({ port: 0, repeat_backoff_ms: 1, ...limits });
  const logger = createLogger("test", { level: "silent", format: "json" });
  const gateway = await startGateway({ configuration, logger, walletTransport });
  gateways.push(gateway);
  return gateway;
}

async function fund({ port }: Gateway, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${port}/wallets/${id}/fund`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: '{"amount":"1"}',
  });
}

test("an unavailable call is repeated by the gateway when it carries a key", async () => {
  const keys: string[] = [];
  const gateway = await start({
    fundWallet: ({ requestId }) => {
      keys.push(requestId);
      if (keys.length < 3) throw rpcError(unavailable);
      return answer;
    },
  });
  const response = await fund(gateway, { "Idempotency-Key": "k" });
  expect(response.status).toBe(200);
  expect(keys).toEqual(["k", "k", "k"]);
});

test("a call is repeated no more often than allowed, and the last answer counts", async () => {
  let calls = 0;
  const gateway = await start({
    fundWallet: () => {
      calls += 1;
      throw rpcError({ ...unavailable, message: `Attempt ${calls}`, retryDelayMs: 5 });
    },
  });
  const response = await fund(gateway, { "Idempotency-Key": "k" });
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).toBe("1");
  expect(await response.json()).toMatchObject({ reason: "OVERLOADED", detail: "Attempt 3" });
});

test("a call is not repeated when the service asks for more patience than the window has", async () => {
  let calls = 0;
  const gateway = await start({
    fundWallet: () => {
      calls += 1;
      throw rpcError({ ...unavailable, retryDelayMs: 60_000 });
    },
  });
  const response = await fund(gateway, { "Idempotency-Key": "k" });
  expect(response.headers.get("retry-after")).toBe("60");
  expect(calls).toBe(1);
});

test.each([
  ["without a key", {}, rpcError(unavailable), 503],
  ["that was refused", { "Idempotency-Key": "k" }, new ConnectError("no", Code.NotFound), 404],
  ["that failed", { "Idempotency-Key": "k" }, new ConnectError("no", Code.Internal), 500],
])("a call %s is not repeated", async (_what, headers, error, status) => {
  let calls = 0;
  const gateway = await start({
    fundWallet: () => {
      calls += 1;
      throw error;
    },
  });
  expect((await fund(gateway, headers)).status).toBe(status);
  expect(calls).toBe(1);
});

test("a call past its deadline is answered 504", async () => {
  const gateway = await start({ fundWallet: untilAborted }, { request_timeout_ms: 50 });
  const response = await fund(gateway);
  expect(response.status).toBe(504);
  expect(await response.json()).toMatchObject({ reason: "DEADLINE_EXCEEDED" });
});

test("a call is cancelled when its client is gone", async () => {
  const events: string[] = [];
  const gateway = await start({
    getWallet: async (request, context) => {
      events.push("called");
      return await untilAborted(request, context).finally(() => events.push("cancelled"));
    },
  });
  const client = connect(gateway.port, "127.0.0.1");
  await once(client, "connect");
  client.write(`GET /wallets/${id} HTTP/1.1\r\nHost: a\r\n\r\n`);
  await expect.poll(() => events).toEqual(["called"]);
  client.destroy();
  await expect.poll(() => events).toEqual(["called", "cancelled"]);
});

test("a stop answers what is in flight, then lets nobody in", async () => {
  const inFlight = new EventEmitter();
  const gateway = await start({
    fundWallet: async () => {
      inFlight.emit("called");
      await once(inFlight, "finish");
      return answer;
    },
  });
  const called = once(inFlight, "called");
  const response = fund(gateway);
  await called;
  const stopped = gateway[Symbol.asyncDispose]();
  await vi.waitFor(async () => {
    const newcomer = connect(gateway.port, "127.0.0.1");
    await expect(once(newcomer, "connect")).rejects.toThrow("ECONNREFUSED");
  });
  inFlight.emit("finish");
  expect((await response).status).toBe(200);
  await stopped;
});

async function untilAborted(
  _request: unknown,
  { signal }: { signal: AbortSignal },
): Promise<never> {
  await once(signal, "abort");
  throw signal.reason;
}
