import { Code } from "@connectrpc/connect";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { failureOf, startTestServer, type TestServer } from "./rpc-test-server.ts";

const recheckMs = 30_000;
const secret = "pelikuni_reader";
const reader = {
  issuer: "api-key",
  subject: "reader",
  client: "",
  scopes: new Set(["history:read"]),
  isUser: false,
};
const callers = new Map([[secret, reader]]);
let server: TestServer;

beforeEach(async () => {
  // The intervals alone: calls and their deadlines go on by themselves.
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  callers.set(secret, reader);
  server = await startTestServer({
    callers,
    handlers: {
      subscribeEvents: async function* (_, { signal }) {
        yield {};
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    },
  });
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  vi.useRealTimers();
});

test.each(["gRPC", "Connect", "gRPC-Web"] as const)(
  "an open stream over %s ends within half a minute once its caller's key is good no longer",
  async (wayIn) => {
    const headers = { authorization: `Bearer ${secret}` };
    const events = server.wallets(wayIn).subscribeEvents({}, { headers })[Symbol.asyncIterator]();
    await events.next();
    const next = events.next();
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    next.then(over, over);
    await vi.advanceTimersByTimeAsync(recheckMs);
    expect(isOver).toBe(false);
    callers.delete(secret);
    await vi.advanceTimersByTimeAsync(recheckMs);
    expect((await failureOf(next)).code).toBe(Code.Unauthenticated);
  },
);
