import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Direction, type Entry } from "@pelikuni/gen/history/v1/history_service_pb";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import type { Receipt } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type HistoryBed, startHistoryBed } from "../src/history-bed.ts";

let bed: HistoryBed;
beforeAll(async () => {
  bed = await startHistoryBed();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

async function fundedWallet(amount: string, currency = "USD"): Promise<string> {
  const { wallet } = await bed.wallets.createWallet({ userId: "somebody", currency });
  const walletId = wallet?.id ?? "";
  await bed.wallets.fundWallet({ walletId, amount });
  return walletId;
}

function placeOf(receipt: Receipt | undefined): { transactionId: string; minPosition: bigint } {
  return {
    transactionId: receipt?.transactionId ?? "",
    minPosition: receipt?.position ?? 0n,
  };
}

async function entriesOf(walletId: string, receipt: Receipt | undefined): Promise<Entry[]> {
  const { minPosition } = placeOf(receipt);
  const direction = Direction.OLDEST_FIRST;
  return (await bed.history.listEntries({ walletId, direction, minPosition })).entries;
}

test("a hold, its capture, freezing and closing are entries with what was held and why", async () => {
  const alice = await fundedWallet("100");
  const bob = await fundedWallet("1");
  const { wallets } = bed;
  const inAnHour = timestampFromMs(Date.now() + 3_600_000);
  const placed = await wallets.placeHold({ walletId: alice, amount: "60", expireTime: inAnHour });
  const holdId = placed.hold?.id ?? "";
  const details = { reference: "order 7", description: "a table", metadata: { shop: "12" } };
  await wallets.captureHold({
    holdId,
    payments: [{ to: { side: { case: "walletId", value: bob } }, amount: "25" }],
    details,
  });
  await wallets.freezeWallet({ walletId: alice, reason: "lost phone" });
  await wallets.unfreezeWallet({ walletId: alice });
  await wallets.updateWallet({
    walletId: alice,
    settings: { metadata: { tier: "gold" } },
    updateMask: { paths: ["metadata"] },
  });
  const external = { side: { case: "account", value: "external" } } as const;
  const { receipt } = await wallets.closeWallet({ walletId: alice, sweepTo: external });
  const entries = await entriesOf(alice, receipt);
  expect(
    entries.map(({ kind, amount, held, available, status, holdId: hold }) => {
      return [kind, amount, held, available, WalletStatus[status], hold];
    }),
  ).toEqual([
    ["wallet_created", "0.0000", "0.0000", "0.0000", "ACTIVE", ""],
    ["wallet_funded", "100.0000", "0.0000", "100.0000", "ACTIVE", ""],
    ["hold_placed", "0.0000", "60.0000", "40.0000", "ACTIVE", holdId],
    ["transaction_posted", "-25.0000", "0.0000", "75.0000", "ACTIVE", holdId],
    ["wallet_status_changed", "0.0000", "0.0000", "75.0000", "FROZEN", ""],
    ["wallet_status_changed", "0.0000", "0.0000", "75.0000", "ACTIVE", ""],
    ["wallet_updated", "0.0000", "0.0000", "75.0000", "ACTIVE", ""],
    ["wallet_status_changed", "-75.0000", "0.0000", "0.0000", "CLOSED", ""],
  ]);
  expect(entries[3]?.details).toMatchObject(details);
  expect((await entriesOf(bob, receipt)).at(-1)).toMatchObject({ holdId, details });
  expect((await bed.history.verifyWallet({ walletId: alice })).valid).toBe(true);
});

test("a transaction tells what took it back, in order, part by part", async () => {
  const { wallets, history } = bed;
  const alice = await fundedWallet("100");
  const bob = await fundedWallet("10");
  const paid = await wallets.transfer({ fromWalletId: alice, toWalletId: bob, amount: "40" });
  const { transactionId } = placeOf(paid.receipt);
  const first = await wallets.reverseTransaction({
    transactionId,
    legs: [{ index: 0, amount: "15" }],
  });
  const rest = await wallets.reverseTransaction({ transactionId });
  const { minPosition } = placeOf(rest.receipt);
  const { reversedBy } = await history.getTransaction({ transactionId, minPosition });
  const reversal = (receipt: Receipt | undefined, amount: string): object => ({
    transactionId: receipt?.transactionId,
    position: receipt?.position,
    legs: [expect.objectContaining({ index: 0, amount })],
  });
  expect(reversedBy).toEqual([
    expect.objectContaining(reversal(first.receipt, "15.0000")),
    expect.objectContaining(reversal(rest.receipt, "25.0000")),
  ]);
  const again = await history.getTransaction(placeOf(first.receipt));
  expect(again.reversedBy).toEqual([]);
  expect((await entriesOf(bob, rest.receipt)).at(-1)).toMatchObject({
    kind: "transaction_posted",
    amount: "-25.0000",
    reversesTransactionId: transactionId,
  });
});
