import { once } from "node:events";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { Code, createClient } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus } from "@pelikuni/gen/grpc/health/v1/health_pb";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startTestServer, type TestServer } from "./rpc-test-server.ts";

let server: TestServer;
let session: ClientHttp2Session;

const alice = {
  issuer: "api-key",
  client: "",
  scopes: new Set(["wallets:read"]),
  isUser: false,
};

beforeEach(async () => {
  server = await startTestServer({
    callers: new Map([
      ["pelikuni_alice", { ...alice, subject: "alice" }],
      ["pelikuni_bob", { ...alice, subject: "bob" }],
    ]),
    limits: { grpc_request_timeout_ms: 500 },
  });
  session = connect(`http://127.0.0.1:${server.server.grpcPort}`);
});

afterEach(async () => {
  session.destroy();
  await server[Symbol.asyncDispose]();
});

/** Begins a call whose message does not end. */
function begin(authorization?: string, path = "/pelikuni.wallet.v1.WalletService/GetWallet") {
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "content-type": "application/grpc",
    te: "trailers",
    ...(authorization && { authorization }),
  });
  stream.on("error", () => undefined);
  // A megabyte is announced, and two bytes come.
  stream.write(Buffer.from([0, 0, 16, 0, 0, 10, 36]));
  return stream;
}

async function statusOf(stream: ClientHttp2Stream): Promise<{ code: number; message: string }> {
  const [headers] = await once(stream, "response");
  return {
    code: Number(headers["grpc-status"]),
    message: decodeURIComponent(String(headers["grpc-message"])),
  };
}

test("who does not say who he is is refused before his message is there", async () => {
  expect(await statusOf(begin())).toMatchObject({ code: Code.Unauthenticated });
  expect(await statusOf(begin("Bearer no.such.token"))).toMatchObject({
    code: Code.Unauthenticated,
  });
});

test.each([
  ["of a known caller", "Bearer pelikuni_alice", undefined],
  ["of the health service", undefined, "/grpc.health.v1.Health/Check"],
])("a message %s that does not arrive in time is given up", async (_, authorization, path) => {
  expect(await statusOf(begin(authorization, path))).toEqual({
    code: Code.DeadlineExceeded,
    message: "The request's message did not arrive within limits.grpc_request_timeout_ms, 500 ms",
  });
});

test("a caller with many unfinished messages does not keep another one waiting", async () => {
  const unfinished = Array.from({ length: 200 }, () => begin("Bearer pelikuni_bob"));
  const walletId = "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1";
  const headers = { authorization: "Bearer pelikuni_alice" };
  const answer = await server.wallets("gRPC").getWallet({ walletId }, { headers });
  expect(answer.wallet?.id).toBe(walletId);
  for (const stream of unfinished) stream.close();
});

test("calls without an end that nobody has to answer for do not keep out who asks for health", async () => {
  const health = "/grpc.health.v1.Health/Check";
  const unfinished = Array.from({ length: 17 }, () => begin(undefined, health));
  const [oldest] = unfinished;
  if (oldest === undefined) throw new Error("No call has begun.");
  expect(await statusOf(oldest)).toMatchObject({ code: Code.Unavailable });
  const startMs = performance.now();
  const answer = await createClient(Health, server.transport("gRPC")).check({});
  expect(answer.status).toBe(HealthCheckResponse_ServingStatus.SERVING);
  // Before any of them is given up.
  expect(performance.now() - startMs).toBeLessThan(400);
  for (const stream of unfinished) stream.close();
});
