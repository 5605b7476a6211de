import { Code, type ConnectError, createClient, createContextValues } from "@connectrpc/connect";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { afterEach, describe, expect, test } from "vitest";
import { callerKey, openCaller } from "../src/access/caller.ts";
import { errorReason, errorRetryDelayMs } from "../src/rpc-errors.ts";
import { as, callerNamed, callersNamed } from "./named-callers.ts";
import {
  deferred,
  failureOf,
  startTestServer,
  type TestServer,
  validTransfer,
  type WalletHandlers,
  walletId,
  waysIn,
} from "./rpc-test-server.ts";

let running: TestServer | undefined;
afterEach(async () => {
  await running?.[Symbol.asyncDispose]();
  running = undefined;
});

async function start(
  limits: Record<string, number>,
  handlers: WalletHandlers = {},
): Promise<TestServer> {
  running = await startTestServer({ limits, handlers, callers: callersNamed("alice", "bob") });
  return running;
}

/** The delay after which a call that was refused may be repeated. */
function expectLimited(error: ConnectError, why: string): number {
  expect([error.code, errorReason(error)]).toEqual([Code.ResourceExhausted, "RATE_LIMITED"]);
  expect(error.rawMessage).toBe(`${why}; nothing was done, call again later`);
  return errorRetryDelayMs(error) ?? Number.NaN;
}

describe.each(waysIn)("%s", (wayIn) => {
  test("who calls too often is refused and told when to call again; another one is served", async () => {
    let transfers = 0;
    const limits = { caller_calls_per_second: 2, caller_burst: 3 };
    const { wallets } = await start(limits, {
      transfer: () => {
        transfers += 1;
        return {};
      },
    });
    const call = (name: string) => wallets(wayIn).transfer(validTransfer, as(name));
    await Promise.all([call("alice"), call("alice"), call("alice")]);
    const delayMs = expectLimited(
      await failureOf(call("alice")),
      "Too many calls: at most 2 a second (the operator sets limits.caller_calls_per_second)",
    );
    expect(delayMs).toBeGreaterThan(0);
    expect(delayMs).toBeLessThanOrEqual(500);
    await call("bob");
    expect(transfers).toBe(4);
    await expect.poll(() => call("alice").then(() => "served"), { timeout: 5_000 }).toBe("served");
  });
});

test("the message of one who may not call is not looked at", async () => {
  const { wallets, url } = await start({ caller_calls_per_second: 1, caller_burst: 1 });
  const send = (name: string): Promise<Response> =>
    fetch(url(`/${WalletService.typeName}/Transfer`), {
      method: "POST",
      headers: { "content-type": "application/proto", authorization: `Bearer pelikuni_${name}` },
      body: "no message",
    });
  await wallets("gRPC").transfer(validTransfer, as("alice"));
  expect([(await send("alice")).status, (await send("bob")).status]).toEqual([429, 400]);
});

test("a batch counts as its transfers, and one larger than the burst is possible", async () => {
  const limits = { caller_calls_per_second: 1, caller_burst: 2 };
  const { wallets } = await start(limits, { batchTransfer: () => ({ results: [] }) });
  const transfers = Array.from({ length: 50 }, () => validTransfer);
  await wallets("gRPC").batchTransfer({ transfers }, as("alice"));
  const refused = await failureOf(wallets("gRPC").getWallet({ walletId }, as("alice")));
  const delayMs = expectLimited(
    refused,
    "Too many calls: at most 1 a second (the operator sets limits.caller_calls_per_second)",
  );
  expect(delayMs).toBeGreaterThan(48_000);
  expect(delayMs).toBeLessThanOrEqual(49_000);
});

test("of two batches that come together one is served where the first leaves nothing", async () => {
  const limits = { caller_calls_per_second: 1, caller_burst: 2 };
  const { wallets } = await start(limits, { batchTransfer: () => ({ results: [] }) });
  const transfers = Array.from({ length: 50 }, () => validTransfer);
  const call = () => wallets("gRPC").batchTransfer({ transfers }, as("alice"));
  const outcomes = await Promise.allSettled([call(), call()]);
  expect(outcomes.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
});

test("a transaction counts as its legs, a page as one call more for eight rows", async () => {
  const limits = { caller_calls_per_second: 1, caller_burst: 1 };
  const handlers = { postTransaction: () => ({}), listWallets: () => ({}) };
  const { wallets } = await start(limits, handlers);
  const leg = {
    from: { side: { case: "walletId", value: walletId } },
    to: { side: { case: "account", value: "fees" } },
    amount: "1",
  } as const;
  await wallets("gRPC").postTransaction({ legs: [leg, leg, leg] }, as("alice"));
  await wallets("gRPC").listWallets({ pageSize: 80 }, as("bob"));
  const delayOf = async (name: string): Promise<number> => {
    const error = await failureOf(wallets("gRPC").getWallet({ walletId }, as(name)));
    return Math.ceil(
      expectLimited(
        error,
        "Too many calls: at most 1 a second (the operator sets limits.caller_calls_per_second)",
      ) / 1_000,
    );
  };
  expect(await Promise.all([delayOf("alice"), delayOf("bob")])).toEqual([3, 11]);
});

test("a caller has so many calls under way at once, and the others have theirs", async () => {
  const waiting = deferred();
  const { wallets } = await start(
    { caller_requests_in_flight_max: 2 },
    { getWallet: () => waiting.promise.then(() => ({})) },
  );
  const call = (name: string) => wallets("gRPC").getWallet({ walletId }, as(name));
  const begun = [call("alice"), call("alice"), call("bob")];
  const refused = await failureOf(wallets("gRPC").transfer(validTransfer, as("alice")));
  expect(
    expectLimited(
      refused,
      "Too many calls at once: at most 2 (the operator sets limits.caller_requests_in_flight_max)",
    ),
  ).toBe(250);
  await wallets("gRPC").transfer(validTransfer, as("bob"));
  waiting.resolve();
  await Promise.all(begun);
  await wallets("gRPC").transfer(validTransfer, as("alice"));
});

test("a caller has so many streams open, and may open another one when one has ended", async () => {
  const { wallets } = await start(
    { caller_streams_max: 1 },
    {
      async *subscribeEvents(_request, { signal }) {
        yield { position: 1n };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    },
  );
  const open = async (name: string): Promise<AbortController> => {
    const controller = new AbortController();
    const options = { ...as(name), signal: controller.signal };
    const events = wallets("gRPC").subscribeEvents({}, options)[Symbol.asyncIterator]();
    expect((await events.next()).done).toBe(false);
    return controller;
  };
  const first = await open("alice");
  const refused = await failureOf(open("alice"));
  expect(
    expectLimited(
      refused,
      "Too many open streams: at most 1 (the operator sets limits.caller_streams_max)",
    ),
  ).toBe(1_000);
  const other = await open("bob");
  first.abort();
  await expect.poll(() => open("alice"), { timeout: 5_000 }).toBeInstanceOf(AbortController);
  other.abort();
});

test("where nobody has to say who he is, nobody is limited", async () => {
  const limits = { caller_calls_per_second: 1, caller_burst: 1, caller_requests_in_flight_max: 1 };
  running = await startTestServer({ limits });
  const { wallets } = running;
  const calls = Array.from({ length: 50 }, () => wallets("gRPC").getWallet({ walletId }));
  expect((await Promise.all(calls)).length).toBe(50);
});

test("a refusal is held back for a moment, and is no call under way meanwhile", async () => {
  const limits = { caller_calls_per_second: 1, caller_burst: 1, requests_in_flight_max: 1 };
  const { wallets } = await start(limits);
  const call = (name: string) => wallets("gRPC").getWallet({ walletId }, as(name));
  await call("alice");
  const begunMs = performance.now();
  const refused = Promise.all([failureOf(call("alice")), failureOf(call("nobody"))]);
  await call("bob");
  const [limited, unknown] = await refused;
  expect(performance.now() - begunMs).toBeGreaterThanOrEqual(95);
  expect([limited.code, unknown.code]).toEqual([Code.ResourceExhausted, Code.Unauthenticated]);
});

test("the more refusals are held back, the longer each is, so that few leave in a second", async () => {
  const { wallets } = await start({});
  const begunMs = performance.now();
  const calls = Array.from({ length: 200 }, () =>
    failureOf(wallets("gRPC").getWallet({ walletId }, as("nobody"))),
  );
  await Promise.all(calls);
  expect(performance.now() - begunMs).toBeGreaterThanOrEqual(100 + 4 * 199 - 5);
});

test("a stop answers refusals that are held back at once", async () => {
  const { wallets, server } = await start({ caller_calls_per_second: 1, caller_burst: 1 });
  const call = () => wallets("gRPC").getWallet({ walletId }, as("alice"));
  await call();
  const refused = failureOf(call());
  // Served behind the one that is refused, on the same connection.
  await wallets("gRPC").getWallet({ walletId }, as("bob"));
  const stopped = server[Symbol.asyncDispose]();
  expect((await refused).code).toBe(Code.ResourceExhausted);
  await stopped;
});

test("what is refused is logged once a second, with who it was", async () => {
  const { wallets, log } = await start({ caller_calls_per_second: 1, caller_burst: 1 });
  const call = () => wallets("gRPC").getWallet({ walletId }, as("alice"));
  await call();
  await Promise.all(Array.from({ length: 20 }, () => failureOf(call())));
  const lines = log.map((line) => JSON.parse(line));
  expect(lines.length).toBe(1);
  expect(lines[0]).toMatchObject({ level: "warn", issuer: "api-key", subject: "alice", calls: 1 });
});

test("of very many callers those are forgotten who have not called for longest", async () => {
  const { server } = await start(
    { caller_calls_per_second: 1, caller_burst: 1 },
    { batchTransfer: () => ({ results: [] }) },
  );
  const client = createClient(WalletService, server.transport);
  const by = (name: string) => ({
    contextValues: createContextValues().set(callerKey, callerNamed(name)),
  });
  const transfers = Array.from({ length: 1_000 }, () => validTransfer);
  await client.batchTransfer({ transfers }, by("early"));
  expect((await failureOf(client.getWallet({ walletId }, by("early")))).code).toBe(
    Code.ResourceExhausted,
  );
  for (let index = 0; index < 10_000; index += 1) {
    await client.getWallet({ walletId }, by(`caller ${index}`));
  }
  await client.getWallet({ walletId }, by("early"));
});

test("the service's own calls inside the process are not limited", async () => {
  const { server } = await start({ caller_calls_per_second: 1, caller_burst: 1 });
  const client = createClient(WalletService, server.transport);
  const contextValues = createContextValues().set(callerKey, openCaller);
  const calls = Array.from({ length: 10 }, () => client.getWallet({ walletId }, { contextValues }));
  expect((await Promise.all(calls)).length).toBe(10);
});

test("who has a stream open is not forgotten, however many others call: his limit still holds", async () => {
  const many = Array.from({ length: 10_001 }, (_, index) => `other-${index}`);
  running = await startTestServer({
    limits: { caller_streams_max: 1 },
    callers: callersNamed("alice", ...many),
    handlers: {
      subscribeEvents: async function* (_, { signal }) {
        yield {};
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    },
  });
  const wallets = running.wallets("in process");
  const open = (): Promise<unknown> =>
    wallets.subscribeEvents({}, as("alice"))[Symbol.asyncIterator]().next();
  await open();
  for (const name of many) await wallets.getWallet({ walletId }, as(name));
  expect((await failureOf(open())).rawMessage).toMatch(/^Too many open streams: at most 1 /);
});
