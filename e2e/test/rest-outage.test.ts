import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { unitsOf } from "../src/money-units.ts";
import { startTcpProxy, type TcpProxy } from "../src/tcp-proxy.ts";
import {
  expectProblem,
  type RestAnswer,
  type RestService,
  startRestService,
  type WalletView,
  walletOf,
} from "./rest-service.ts";

const answeredWithinMs = 3_000;
let database: TcpProxy;
let grpc: TcpProxy;
let rest: RestService;
let wallet: WalletView;

beforeAll(async () => {
  rest = await startRestService({
    postgresPort: async (port) => {
      database = await startTcpProxy({ host: "127.0.0.1", port });
      return database.port;
    },
    grpcPort: async (port) => {
      grpc = await startTcpProxy({ host: "127.0.0.1", port });
      return grpc.port;
    },
  });
  wallet = await rest.wallet("alice", "1");
});

afterAll(async () => {
  await rest[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
  await grpc[Symbol.asyncDispose]();
});

function fund(headers: object = {}): Promise<RestAnswer> {
  return rest.send("POST", `/wallets/${wallet.id}/fund`, { amount: "1" }, headers);
}

async function expectUnavailable(request: () => Promise<RestAnswer>): Promise<RestAnswer> {
  const startedAt = performance.now();
  const answer = await request();
  expect(performance.now() - startedAt).toBeLessThan(answeredWithinMs);
  expectProblem(answer, 503, { detail: expect.any(String) });
  expect(JSON.stringify(answer.body)).not.toMatch(/ECONN|127\.0\.0\.1|postgres/);
  return answer;
}

async function expectRecovery(): Promise<void> {
  await vi.waitFor(async () => expect((await fund()).status).toBe(200), {
    timeout: answeredWithinMs,
    interval: 50,
  });
}

test.each(["close", "swallow"] as const)(
  "while the way to the database does %s, requests get 503 within 3 s, and work within 3 s after it is back",
  async (mode) => {
    await database.setMode(mode);
    await expectUnavailable(() => rest.send("GET", `/wallets/${wallet.id}`));
    await expectUnavailable(() => rest.send("GET", "/wallets"));
    const unkeyed = await expectUnavailable(fund);
    expect(unkeyed.headers.get("retry-after")).toBeNull();
    const keyed = await expectUnavailable(() => fund({ "Idempotency-Key": randomUUID() }));
    expect(keyed.headers.get("retry-after")).toBe("1");
    // Silence is cut only in the end, as a network does it that forgets its connections.
    await database.setMode("close");
    await database.setMode("forward");
    await expectRecovery();
  },
);

test("while the wallet-service is away requests get 503, and work within 3 s after it is back", async () => {
  await grpc.setMode("close");
  await expectUnavailable(() => rest.send("GET", `/wallets/${wallet.id}`));
  await expectUnavailable(() => fund({ "Idempotency-Key": randomUUID() }));
  expect((await rest.send("GET", "/health")).status).toBe(200);
  await grpc.setMode("forward");
  await expectRecovery();
});

test("a connection that is cut under a keyed request is repeated without the client's noticing", async () => {
  const before = walletOf(await rest.send("GET", `/wallets/${wallet.id}`));
  const headers = { "Idempotency-Key": randomUUID() };
  await grpc.setMode("swallow");
  const answer = fund(headers);
  await expect.poll(() => grpc.swallowedBytes).toBeGreaterThan(0);
  await grpc.setMode("close");
  await grpc.setMode("forward");
  expect((await answer).status).toBe(200);
  expect(walletOf(await fund(headers))).toEqual(walletOf(await answer));
  const after = walletOf(await rest.send("GET", `/wallets/${wallet.id}`));
  const [unitsBefore = 0n, unitsAfter] = [unitsOf(before.balance), unitsOf(after.balance)];
  expect(unitsAfter).toBe(unitsBefore + 10_000n);
});
