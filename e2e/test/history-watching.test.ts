import { Code } from "@connectrpc/connect";
import { errorMetadata, errorReason } from "@pelikuni/runtime/rpc-errors";
import { afterAll, beforeAll, expect, test } from "vitest";
import { failureOf } from "../src/call-failure.ts";
import { type HistoryBed, startHistoryBed } from "../src/history-bed.ts";

const unknownId = "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1";

let bed: HistoryBed;
let alice: string;
let bob: string;
let last: bigint;
beforeAll(async () => {
  bed = await startHistoryBed();
  alice = (await bed.wallets.createWallet({ userId: "alice" })).wallet?.id ?? "";
  bob = (await bed.wallets.createWallet({ userId: "bob" })).wallet?.id ?? "";
  await bed.wallets.fundWallet({ walletId: alice, amount: "100" });
  for (let count = 0; count < 10; count += 1) {
    const transfer = { fromWalletId: alice, toWalletId: bob, amount: "2.5" };
    const { receipt } = await bed.wallets.transfer(transfer);
    last = receipt?.position ?? 0n;
  }
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

/** How many versions of a wallet there are. */
async function countOf(walletId: string): Promise<number> {
  return (await bed.history.listEntries({ walletId, minPosition: last })).entries.length;
}

test("min_position that is not reached in time is answered within the deadline", async () => {
  const startMs = performance.now();
  const late = bed.history.listEntries(
    { walletId: alice, minPosition: 10_000n },
    { timeoutMs: 600 },
  );
  const failure = await failureOf(late);
  expect(performance.now() - startMs).toBeLessThan(1_500);
  expect([failure.code, errorReason(failure)]).toEqual([Code.Unavailable, "NOT_COMPLETE_YET"]);
  expect(errorMetadata(failure).complete_to).toBe(last.toString());
});

test("watchers of a wallet see every version once, in order, then live", async () => {
  const cancel = new AbortController();
  const watch = async (fromVersion: bigint, count: number): Promise<number[]> => {
    const seen: number[] = [];
    const watching = bed.history.watchWallet(
      { walletId: bob, fromVersion },
      { signal: cancel.signal },
    );
    for await (const { entry } of watching) {
      seen.push(Number(entry?.version));
      if (seen.length === count) break;
    }
    return seen;
  };
  const known = await countOf(bob);
  const watched = [
    watch(0n, known + 40),
    watch(BigInt(known - 1), 41),
    watch(BigInt(known + 20), 20),
  ];
  for (let round = 0; round < 4; round += 1) {
    await Promise.all(
      Array.from({ length: 10 }, () => bed.wallets.fundWallet({ walletId: bob, amount: "1" })),
    );
  }
  const numbers = Array.from({ length: known + 40 }, (_, index) => index);
  expect(await Promise.all(watched)).toEqual([
    numbers,
    numbers.slice(known - 1),
    numbers.slice(known + 20),
  ]);
  cancel.abort();
});

test("a wallet that history does not know is watched until the caller's time is over", async () => {
  const watching = bed.history.watchWallet({ walletId: unknownId }, { timeoutMs: 300 });
  const failure = await failureOf(watching[Symbol.asyncIterator]().next());
  expect(failure.code).toBe(Code.DeadlineExceeded);
});

test("wallet and journal are whole, and the last segment's hash is the wallet-service's", async () => {
  const { valid, verifiedVersions } = await bed.history.verifyWallet({
    walletId: alice,
    minPosition: last,
  });
  expect([valid, Number(verifiedVersions)]).toEqual([true, await countOf(alice)]);
  await expect
    .poll(async () => (await bed.history.getCompleteness({})).completeTo)
    .toBe(
      (
        await bed.walletOwner`
      select first_position + event_count - 1 as last from journal
      order by first_position desc limit 1`
      )[0]?.last,
    );
  const messages = [];
  for await (const message of bed.history.verifyJournal({})) messages.push(message);
  const [row] =
    await bed.walletOwner`select hash from journal order by first_position desc limit 1`;
  expect(messages.at(-1)).toMatchObject({ done: true, findingCount: 0n });
  expect(Buffer.from(messages.at(-1)?.journalHash ?? [])).toEqual(row?.hash);
});

test("completeness tells how far history has come, and how far behind it is", async () => {
  const completeness = await bed.history.getCompleteness({});
  expect(completeness).toMatchObject({ missing: [], parkedCount: 0n, stoppedReason: "" });
  expect(completeness.completeTo).toBeGreaterThanOrEqual(last);
  expect(completeness.highestPosition).toBe(completeness.completeTo);
  expect(completeness.lagMs).toBeLessThan(5_000n);
});
