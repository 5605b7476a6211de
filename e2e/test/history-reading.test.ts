import { createHash } from "node:crypto";
import { type Timestamp, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import {
  Direction,
  type Entry,
  type GetStatementResponse,
} from "@pelikuni/gen/history/v1/history_service_pb";
import type { Receipt } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { errorReason } from "@pelikuni/runtime/rpc-errors";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { failureOf } from "../src/call-failure.ts";
import { type HistoryBed, startHistoryBed } from "../src/history-bed.ts";

const unknownId = "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1";

let bed: HistoryBed;
let alice: string;
let bob: string;
let transferId: string;
let last: bigint;
beforeAll(async () => {
  bed = await startHistoryBed();
  const { wallets } = bed;
  alice = (await inItsOwnMs(wallets.createWallet({ userId: "alice" }))).wallet?.id ?? "";
  bob = (await inItsOwnMs(wallets.createWallet({ userId: "bob" }))).wallet?.id ?? "";
  await inItsOwnMs(wallets.fundWallet({ walletId: alice, amount: "100", requestId: "salary" }));
  for (let count = 0; count < 10; count += 1) {
    const transfer = { fromWalletId: alice, toWalletId: bob, amount: "2.5" };
    const { receipt } = await inItsOwnMs(wallets.transfer(transfer));
    transferId = receipt?.transactionId ?? "";
  }
  const { receipt } = await wallets.fundWallet({ walletId: alice, amount: "0.0001" });
  last = receipt?.position ?? 0n;
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

/** A change, and the end of its millisecond: instants are not finer. */
async function inItsOwnMs<Answer extends { receipt?: Receipt | undefined }>(
  change: Promise<Answer>,
): Promise<Answer> {
  const answer = await change;
  await vi.waitUntil(() => Date.now() > instantMs(answer.receipt?.occurredAt), { interval: 1 });
  return answer;
}

function instantMs(instant: Timestamp | undefined): number {
  return instant ? timestampMs(instant) : Number.NaN;
}

async function allOf(walletId: string): Promise<Entry[]> {
  const direction = Direction.OLDEST_FIRST;
  return (await bed.history.listEntries({ walletId, direction, minPosition: last })).entries;
}

function versions(entries: readonly Entry[]): number[] {
  return entries.map(({ version }) => Number(version));
}

test("what was just written is read with min_position, newest first", async () => {
  const answer = await bed.history.listEntries({ walletId: alice, minPosition: last });
  expect(answer.completeTo).toBeGreaterThanOrEqual(last);
  expect(versions(answer.entries)).toEqual([12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
  expect(answer.nextPageToken).toBe("");
});

test("an entry says everything that the event says of its wallet", async () => {
  const [created, funded, paid] = await allOf(alice);
  expect(created).toMatchObject({ kind: "wallet_created", amount: "0.0000", balance: "0.0000" });
  expect(funded).toMatchObject({
    walletId: alice,
    version: 1n,
    kind: "wallet_funded",
    amount: "100.0000",
    currency: "USD",
    balance: "100.0000",
    held: "0.0000",
    available: "100.0000",
    userId: "alice",
    requestId: "salary",
  });
  expect(paid).toMatchObject({ kind: "transfer_completed", amount: "-2.5000", requestId: "" });
  const { wallet } = await bed.wallets.getWallet({ walletId: alice });
  expect((await allOf(alice)).at(-1)).toMatchObject({
    version: wallet?.version,
    balance: wallet?.balance,
    status: wallet?.status,
    occurredAt: wallet?.updateTime,
  });
});

test("an id in upper case is the same wallet; an unknown one is not found", async () => {
  const { entries } = await bed.history.listEntries({ walletId: bob.toUpperCase() });
  expect(entries).toHaveLength(11);
  const failures = await Promise.all([
    failureOf(bed.history.listEntries({ walletId: unknownId })),
    failureOf(bed.history.getBalanceAt({ walletId: unknownId })),
    failureOf(bed.history.verifyWallet({ walletId: unknownId })),
    failureOf(statement(unknownId, 0, 1)),
  ]);
  for (const failure of failures) {
    expect([failure.code, errorReason(failure)]).toEqual([Code.NotFound, "WALLET_NOT_FOUND"]);
  }
});

test.for([
  { direction: Direction.UNSPECIFIED, pageSize: 4 },
  { direction: Direction.NEWEST_FIRST, pageSize: 1 },
  { direction: Direction.OLDEST_FIRST, pageSize: 5 },
])("pages in direction $direction show each entry once while new ones arrive", async (page) => {
  const before = versions(await allOf(alice));
  const seen: Entry[] = [];
  let pageToken = "";
  do {
    const answer = await bed.history.listEntries({ walletId: alice, ...page, pageToken });
    expect(answer.entries.length).toBeLessThanOrEqual(page.pageSize);
    seen.push(...answer.entries);
    ({ nextPageToken: pageToken } = answer);
    if (seen.length > before.length) break;
    const funded = await bed.wallets.fundWallet({ walletId: alice, amount: "1" });
    last = funded.receipt?.position ?? 0n;
    await bed.history.listEntries({ walletId: alice, pageSize: 1, minPosition: last });
  } while (pageToken !== "");
  const shown = versions(seen).filter((version) => version < before.length);
  const oldestFirst = page.direction === Direction.OLDEST_FIRST;
  expect(shown).toEqual(oldestFirst ? before : before.toReversed());
});

test("entries are filtered by kind, and by a period whose end is not in it", async () => {
  const all = await allOf(alice);
  const kinds = ["wallet_funded", "wallet_created"];
  const { entries: filtered } = await bed.history.listEntries({ walletId: alice, kinds });
  expect(new Set(filtered.map(({ kind }) => kind))).toEqual(new Set(kinds));
  expect(filtered).toHaveLength(all.filter(({ kind }) => kinds.includes(kind)).length);
  const [from, to] = [instantMs(all[3]?.occurredAt), instantMs(all[7]?.occurredAt)];
  const period = async (fromMs: number, toMs: number, nanos = 0): Promise<number[]> => {
    const later = (ms: number) => ({
      ...timestampFromMs(ms),
      nanos: timestampFromMs(ms).nanos + nanos,
    });
    const { entries } = await bed.history.listEntries({
      walletId: alice,
      from: later(fromMs),
      to: later(toMs),
      direction: Direction.OLDEST_FIRST,
    });
    return versions(entries);
  };
  expect(await period(from, to)).toEqual([3, 4, 5, 6]);
  expect(await period(from + 1, to + 1)).toEqual([4, 5, 6, 7]);
  // A nanosecond later: what occurred at the millisecond itself is before it.
  expect(await period(from, to, 1)).toEqual([4, 5, 6, 7]);
  expect(await period(0, from)).toEqual([0, 1, 2]);
  expect(await period(to, from)).toEqual([]);
  expect(await period(Date.now() + 60_000, Date.now() + 120_000)).toEqual([]);
});

test("page tokens that are none, or of another direction, are refused", async () => {
  const { nextPageToken } = await bed.history.listEntries({ walletId: alice, pageSize: 1 });
  const direction = Direction.OLDEST_FIRST;
  for (const pageToken of ["x", nextPageToken.slice(1), `${nextPageToken}AA`]) {
    const failure = await failureOf(bed.history.listEntries({ walletId: alice, pageToken }));
    expect(errorReason(failure)).toBe("INVALID_FIELD");
  }
  const turned = bed.history.listEntries({ walletId: alice, direction, pageToken: nextPageToken });
  expect(errorReason(await failureOf(turned))).toBe("INVALID_FIELD");
});

test("a transaction is read with its event and the bytes that were hashed", async () => {
  const { event, eventBytes, position } = await bed.history.getTransaction({
    transactionId: transferId.toUpperCase(),
    minPosition: last,
  });
  expect(event).toMatchObject({ transactionId: transferId, kind: { case: "transferCompleted" } });
  const entry = (await allOf(bob)).find(({ transactionId }) => transactionId === transferId);
  expect(position).toBe(entry?.position);
  expect(createHash("sha256").update(eventBytes).digest()).toEqual(Buffer.from(entry?.head ?? []));
  const failure = await failureOf(bed.history.getTransaction({ transactionId: unknownId }));
  expect([failure.code, errorReason(failure)]).toEqual([Code.NotFound, "TRANSACTION_NOT_FOUND"]);
});

test("the balance at an instant includes the changes of that instant", async () => {
  const all = await allOf(bob);
  for (const [index, { occurredAt, balance }] of all.entries()) {
    const at = timestampFromMs(instantMs(occurredAt));
    const exactly = await bed.history.getBalanceAt({ walletId: bob, at });
    expect(exactly.entry).toMatchObject({ version: BigInt(index), balance });
    const justBefore = { ...timestampFromMs(instantMs(occurredAt) - 1) };
    justBefore.nanos += 999_999;
    const before = bed.history.getBalanceAt({ walletId: bob, at: justBefore });
    if (index === 0) expect(errorReason(await failureOf(before))).toBe("WALLET_NOT_FOUND");
    else expect((await before).entry?.version).toBe(BigInt(index - 1));
  }
  expect((await bed.history.getBalanceAt({ walletId: bob })).entry?.version).toBe(10n);
});

async function statement(
  walletId: string,
  fromMs: number,
  toMs: number,
): Promise<GetStatementResponse["part"][]> {
  const parts: GetStatementResponse["part"][] = [];
  const period = { from: timestampFromMs(fromMs), to: timestampFromMs(toMs) };
  const request = { walletId, ...period, minPosition: last };
  for await (const { part } of bed.history.getStatement(request)) parts.push(part);
  return parts;
}

test("a statement's opening, entries and closing add up, and neighbouring periods meet", async () => {
  const all = await allOf(alice);
  const instants = all.map(({ occurredAt }) => instantMs(occurredAt));
  const [start = 0, middle = 0] = [instants[0], instants[6]];
  const end = (instants.at(-1) ?? 0) + 1;
  const whole = await statement(alice, start, end);
  expect(whole.map((part) => part.case)).toEqual(["opening", ...all.map(() => "entry"), "closing"]);
  const [first, second] = [
    await statement(alice, start, middle),
    await statement(alice, middle, end),
  ];
  expect(first[0]?.value).toMatchObject({
    openingBalance: "0.0000",
    userId: "alice",
    currency: "USD",
  });
  expect(first.at(-1)?.value).toMatchObject({ entryCount: 6n, closingBalance: all[5]?.balance });
  expect(second[0]?.value).toMatchObject({ openingBalance: all[5]?.balance });
  expect(second.at(-1)?.value).toMatchObject({ closingBalance: all.at(-1)?.balance });
  expect(first.at(-1)?.value).toMatchObject({ totalIn: "100.0000", totalOut: "10.0000" });
  const empty = await statement(alice, end, end + 1);
  expect(empty.map((part) => part.case)).toEqual(["opening", "closing"]);
  expect(empty[1]?.value).toMatchObject({ closingBalance: all.at(-1)?.balance, entryCount: 0n });
  const early = await statement(alice, start - 2, start - 1);
  expect(early[0]?.value).toMatchObject({ openingBalance: "0.0000" });
  expect(early[1]?.value).toMatchObject({ closingBalance: "0.0000", entryCount: 0n });
});

test("a period that ends before it begins, or an instant that is none, is refused", async () => {
  expect(errorReason(await failureOf(statement(alice, 2, 2)))).toBe("INVALID_FIELD");
  const at = { seconds: 999_999_999_999n, nanos: 0 };
  const failure = await failureOf(bed.history.getBalanceAt({ walletId: alice, at }));
  expect([failure.code, errorReason(failure)]).toEqual([Code.InvalidArgument, "INVALID_FIELD"]);
});
