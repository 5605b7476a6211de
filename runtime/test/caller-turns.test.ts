import { Code } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { callerOf } from "../src/access/caller.ts";
import { waitOutsideTurn } from "../src/access/caller-turn.ts";
import { as, callersNamed } from "./named-callers.ts";
import {
  deferred,
  failureOf,
  startTestServer,
  type TestServer,
  validTransfer,
  type WalletHandlers,
  walletId,
} from "./rpc-test-server.ts";

function start(handlers: WalletHandlers): Promise<TestServer> {
  return startTestServer({ handlers, callers: callersNamed("alice", "bob") });
}

/** How many transfers of alice are at work at once, of a hundred that she sends together. */
async function atWorkOfHundred(beforehand: (server: TestServer) => unknown): Promise<number> {
  const all = deferred();
  let atWork = 0;
  await using server = await start({
    getWallet: () => ({}),
    listWallets: () => ({}),
    transfer: async () => {
      atWork += 1;
      await all.promise;
      return {};
    },
  });
  const transfers = (name: string, count: number) =>
    Array.from({ length: count }, () => server.wallets("gRPC").transfer(validTransfer, as(name)));
  await beforehand(server);
  const sent = transfers("alice", 100);
  // Answered behind them, on the same connection.
  await server.wallets("gRPC").listWallets({}, as("alice"));
  const seen = atWork;
  all.resolve();
  await Promise.all(sent);
  expect(atWork).toBe(100);
  return seen;
}

test("of one caller's calls a few are at work at once while there is another, who waits for none", async () => {
  const begunAtWork = await atWorkOfHundred((server) =>
    server.wallets("gRPC").getWallet({ walletId }, as("bob")),
  );
  expect(begunAtWork).toBe(4);
});

test("all calls of a caller alone are at work at once", async () => {
  expect(await atWorkOfHundred(() => undefined)).toBe(100);
});

test("calls that wait for something leave their turns to the caller's others", async () => {
  const arrived = deferred();
  let waiting = 0;
  await using server = await start({
    transfer: () => ({}),
    getWallet: async (_request, context) => {
      waiting += 1;
      await waitOutsideTurn(context, () => arrived.promise);
      return {};
    },
  });
  await server.wallets("gRPC").transfer(validTransfer, as("bob"));
  const reads = Array.from({ length: 20 }, () =>
    server.wallets("gRPC").getWallet({ walletId }, as("alice")),
  );
  await server.wallets("gRPC").transfer(validTransfer, as("alice"));
  expect(waiting).toBe(20);
  arrived.resolve();
  await Promise.all(reads);
});

test("of heavy calls one after the other is at work for a caller, who waits for no other's", async () => {
  const first = deferred();
  const begun: string[] = [];
  await using server = await start({
    batchTransfer: async (_request, context) => {
      begun.push(callerOf(context).subject);
      if (begun.length === 1) await first.promise;
      return { results: [] };
    },
  });
  const transfers = Array.from({ length: 100 }, () => validTransfer);
  const call = (name: string) => server.wallets("gRPC").batchTransfer({ transfers }, as(name));
  const own = [call("alice"), call("alice"), call("alice")];
  await call("bob");
  await server.wallets("gRPC").transfer(validTransfer, as("alice"));
  expect(begun).toEqual(["alice", "bob"]);
  first.resolve();
  await Promise.all(own);
  expect(begun).toEqual(["alice", "bob", "alice", "alice"]);
});

test("a heavy call that is given up while it waits for its turn never begins", async () => {
  const first = deferred();
  let begun = 0;
  await using server = await start({
    batchTransfer: async () => {
      begun += 1;
      await first.promise;
      return { results: [] };
    },
  });
  const transfers = Array.from({ length: 100 }, () => validTransfer);
  const call = (timeoutMs: number) =>
    server.wallets("gRPC").batchTransfer({ transfers }, { ...as("alice"), timeoutMs });
  const served = call(10_000);
  await expect.poll(() => begun).toBe(1);
  expect((await failureOf(call(50))).code).toBe(Code.DeadlineExceeded);
  // When this is answered, the server has heard that the call before was given up.
  await server.wallets("gRPC").transfer(validTransfer, as("alice"));
  const last = call(10_000);
  first.resolve();
  await Promise.all([served, last]);
  expect(begun).toBe(2);
});
