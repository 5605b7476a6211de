import { afterAll, beforeAll, expect, test } from "vitest";
import { type HistoryBed, startHistoryBed } from "../src/history-bed.ts";

let bed: HistoryBed;
let alice: string;
let bob: string;
let last: bigint;
beforeAll(async () => {
  bed = await startHistoryBed();
  alice = (await bed.wallets.createWallet({ userId: "alice" })).wallet?.id ?? "";
  bob = (await bed.wallets.createWallet({ userId: "bob" })).wallet?.id ?? "";
  await bed.wallets.fundWallet({ walletId: alice, amount: "100", requestId: "salary" });
  for (let count = 0; count < 10; count += 1) {
    await bed.wallets.transfer({ fromWalletId: alice, toWalletId: bob, amount: "2.5" });
  }
  const { receipt } = await bed.wallets.fundWallet({ walletId: alice, amount: "0.0001" });
  last = receipt?.position ?? 0n;
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

test("what was just written is read with min_position, newest first", async () => {
  const { entries, completeTo } = await bed.history.listEntries({
    walletId: alice,
    minPosition: last,
  });
  expect(completeTo).toBeGreaterThanOrEqual(last);
  expect(entries.map(({ version }) => version)).toEqual(
    Array.from({ length: 13 }, (_, index) => BigInt(12 - index)),
  );
});
