import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Direction, type Entry } from "@pelikuni/gen/history/v1/history_service_pb";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import type { Receipt } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { errorReason } from "@pelikuni/runtime/rpc-errors";
import { afterAll, beforeAll, expect, test } from "vitest";
import { failureOf } from "../src/call-failure.ts";
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

test("an account's entries are its legs, page by page in both directions, and its total their sum", async () => {
  const { wallets, history } = bed;
  const payer = await fundedWallet("100", "EUR");
  const shop = await fundedWallet("1", "EUR");
  const wallet = (value: string) => ({ side: { case: "walletId", value } }) as const;
  const fees = { side: { case: "account", value: "fees" } } as const;
  const details = { reference: "order 9" };
  let receipt: Receipt | undefined;
  for (const amount of ["1", "2", "3"]) {
    const legs = [
      { from: wallet(payer), to: wallet(shop), amount: "10" },
      { from: wallet(shop), to: fees, amount },
      { from: wallet(payer), to: fees, amount: "0.5" },
    ];
    ({ receipt } = await wallets.postTransaction({ legs, details }));
  }
  const refund = { walletId: payer, amount: "2.25", source: "fees" };
  const last = await wallets.fundWallet(refund);
  const minPosition = last.receipt?.position ?? 0n;
  const expected = [
    [shop, "1.0000", 1, "transaction_posted"],
    [payer, "0.5000", 2, "transaction_posted"],
    [shop, "2.0000", 1, "transaction_posted"],
    [payer, "0.5000", 2, "transaction_posted"],
    [shop, "3.0000", 1, "transaction_posted"],
    [payer, "0.5000", 2, "transaction_posted"],
    [payer, "-2.2500", 0, "wallet_funded"],
  ];
  for (const direction of [Direction.OLDEST_FIRST, Direction.NEWEST_FIRST]) {
    const listed: unknown[] = [];
    let pageToken = "";
    do {
      const question = { account: "fees", currency: "EUR", direction, pageSize: 2, pageToken };
      const page = await history.listAccountEntries({ ...question, minPosition });
      listed.push(
        ...page.entries.map(({ walletId, amount, legIndex, kind }) => {
          return [walletId, amount, legIndex, kind];
        }),
      );
      // What is posted meanwhile moves nothing.
      await wallets.postTransaction({
        legs: [{ from: wallet(shop), to: fees, amount: "0.0001" }],
      });
      pageToken =
        direction === Direction.OLDEST_FIRST && listed.length >= 7 ? "" : page.nextPageToken;
    } while (pageToken !== "");
    const inOrder = direction === Direction.OLDEST_FIRST ? expected : expected.toReversed();
    expect(listed.filter((each) => !JSON.stringify(each).includes("0.0001"))).toEqual(inOrder);
  }
  const value = minPosition;
  const at = { account: "fees", currency: "EUR", when: { case: "position", value } } as const;
  expect(await history.getAccountTotal(at)).toMatchObject({
    total: "5.2500",
    totalIn: "7.5000",
    totalOut: "2.2500",
  });
  const then = {
    ...at,
    when: { case: "at", value: receipt?.occurredAt ?? expect.fail() },
  } as const;
  expect(await history.getAccountTotal(then)).toMatchObject({ totalIn: "7.5000" });
  expect(await history.getAccountTotal({ ...at, account: "nothing" })).toMatchObject({
    total: "0.0000",
    totalIn: "0.0000",
    totalOut: "0.0000",
  });
  const filtered = { account: "fees", from: receipt?.occurredAt, to: last.receipt?.occurredAt };
  const { entries } = await history.listAccountEntries({ ...filtered, currency: "EUR" });
  expect(entries.map(({ transactionId }) => transactionId)).toEqual([
    receipt?.transactionId,
    receipt?.transactionId,
  ]);
  expect(entries[0]?.details).toMatchObject(details);
});

test("another list's page token is refused", async () => {
  const walletId = await fundedWallet("1");
  await bed.wallets.fundWallet({ walletId, amount: "1" });
  const minPosition = (await bed.wallets.fundWallet({ walletId, amount: "1" })).receipt?.position;
  const page = { pageSize: 1, minPosition: minPosition ?? 0n };
  const ofWallet = await bed.history.listEntries({ walletId, ...page });
  const ofAccount = await bed.history.listAccountEntries({ account: "external", ...page });
  const oldestFirst = { account: "external", direction: Direction.OLDEST_FIRST };
  for (const refused of [
    bed.history.listAccountEntries({ account: "external", pageToken: ofWallet.nextPageToken }),
    bed.history.listAccountEntries({ ...oldestFirst, pageToken: ofAccount.nextPageToken }),
    bed.history.listEntries({ walletId, pageToken: ofAccount.nextPageToken }),
  ]) {
    expect(errorReason(await failureOf(refused))).toBe("INVALID_FIELD");
  }
});

test("a statement adds up whatever is held meanwhile", async () => {
  const { wallets, history } = bed;
  const walletId = await fundedWallet("100");
  const { receipt: before } = await wallets.fundWallet({ walletId, amount: "1" });
  const expireTime = timestampFromMs(Date.now() + 3_600_000);
  const { hold } = await wallets.placeHold({ walletId, amount: "60", expireTime });
  const bank = { side: { case: "account", value: "bank" } } as const;
  const payments = [{ to: bank, amount: "20" }];
  await wallets.captureHold({ holdId: hold?.id ?? "", payments, keepRemaining: true });
  const { receipt } = await wallets.releaseHold({ holdId: hold?.id ?? "" });
  const period = {
    walletId,
    from: before?.occurredAt ?? expect.fail(),
    to: timestampFromMs(Date.now() + 60_000),
  };
  const parts: unknown[] = [];
  const minPosition = receipt?.position ?? 0n;
  for await (const { part } of history.getStatement({ ...period, minPosition })) {
    if (part.case === "opening") parts.push(part.value.openingBalance);
    if (part.case === "entry") parts.push([part.value.kind, part.value.amount, part.value.held]);
    if (part.case === "closing") {
      const { closingBalance, totalIn, totalOut, entryCount } = part.value;
      parts.push([closingBalance, totalIn, totalOut, entryCount]);
    }
  }
  expect(parts.slice(-4)).toEqual([
    ["hold_placed", "0.0000", "60.0000"],
    ["transaction_posted", "-20.0000", "40.0000"],
    ["hold_released", "0.0000", "0.0000"],
    ["81.0000", expect.any(String), "20.0000", expect.any(BigInt)],
  ]);
});
