import { type Client, Code, createClient } from "@connectrpc/connect";
import { HistoryService } from "@pelikuni/gen/history/v1/history_service_pb";
import { errorReason } from "@pelikuni/runtime/rpc-errors";
import { afterEach, beforeEach, expect, test } from "vitest";
import { failureOf } from "../../e2e/src/call-failure.ts";
import { decodeEvent } from "../src/history-entry.ts";
import type { HistoryService as RunningHistory } from "../src/start-history-service.ts";
import { createJournalMaker, type JournalMaker } from "./journal-maker.ts";
import { createHistoryBed, type HistoryBed, serveHistory } from "./test-history.ts";

let bed: HistoryBed;
let service: RunningHistory;
let history: Client<typeof HistoryService>;
let journal: JournalMaker;
let alice: string;
beforeEach(async () => {
  bed = await createHistoryBed();
  service = await serveHistory(bed);
  history = createClient(HistoryService, service.transport);
  journal = createJournalMaker("gap");
  alice = journal.createWallet();
  for (let count = 0; count < 4; count += 1) journal.fund(alice, 10_000n);
  journal.endSegment();
  for (let count = 0; count < 5; count += 1) journal.fund(alice, 10_000n);
  journal.endSegment();
  // Position 6, Alice's version 5, is missing.
  const { messages } = journal;
  await bed.ingestion.ingest([...messages.slice(0, 5), ...messages.slice(6)]);
});
afterEach(async () => {
  await service[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});

function heal(): Promise<void> {
  return bed.ingestion.ingest(journal.messages.slice(5, 6));
}

test("what lies above a gap is not shown before the gap has healed", async () => {
  const list = () => history.listEntries({ walletId: alice });
  const shown = async () => (await list()).entries.map(({ version }) => Number(version));
  const now = async () => (await history.getBalanceAt({ walletId: alice })).entry?.balance;
  expect(await shown()).toEqual([4, 3, 2, 1, 0]);
  expect((await list()).completeTo).toBe(5n);
  expect(await now()).toBe("4.0000");
  expect((await history.verifyWallet({ walletId: alice })).valid).toBe(true);
  await heal();
  expect(await shown()).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
  expect(await now()).toBe("9.0000");
});

test("a statement ends below a gap, and says so", async () => {
  const parts = [];
  const [from, to] = [{ seconds: 0n }, { seconds: 10_000_000_000n }];
  for await (const { part } of history.getStatement({ walletId: alice, from, to }))
    parts.push(part);
  expect(parts.at(-1)).toMatchObject({
    case: "closing",
    value: { closingBalance: "4.0000", entryCount: 5n, completeTo: 5n },
  });
});

test("a transaction above a gap is not shown either: nobody has seen yet that it fits", async () => {
  const { transactionId } = decodeEvent(journal.messages.at(-1)?.bytes ?? new Uint8Array());
  const show = () => history.getTransaction({ transactionId });
  await expect(show()).rejects.toThrow(/not_found/);
  await heal();
  expect((await show()).position).toBe(10n);
});

test("who waits for a position above a gap is answered once it heals", async () => {
  const waiting = history.listEntries({ walletId: alice, minPosition: 10n });
  const missing = await history.getCompleteness({});
  expect(missing).toMatchObject({ completeTo: 5n, missing: [{ first: 6n, last: 6n }] });
  await heal();
  expect((await waiting).entries).toHaveLength(10);
});

test("an account's total and entries end below a gap, until it heals", async () => {
  const external = { account: "external", currency: "USD" };
  const total = (question: object = {}) => history.getAccountTotal({ ...external, ...question });
  const list = () => history.listAccountEntries({ account: "external" });
  expect(await total()).toMatchObject({ total: "-4.0000", totalOut: "4.0000", completeTo: 5n });
  expect(await total({ when: { case: "position", value: 3n } })).toMatchObject({
    total: "-2.0000",
  });
  expect(await total({ when: { case: "position", value: 0n } })).toMatchObject({ total: "0.0000" });
  expect((await list()).entries.map(({ position }) => position)).toEqual([5n, 4n, 3n, 2n]);
  const above = { when: { case: "position", value: 7n } } as const;
  const answer = history.getAccountTotal({ ...external, ...above }, { timeoutMs: 300 });
  const failure = await failureOf(answer);
  expect([failure.code, errorReason(failure)]).toEqual([Code.Unavailable, "NOT_COMPLETE_YET"]);
  const waiting = total(above);
  await heal();
  expect(await waiting).toMatchObject({ total: "-6.0000", completeTo: 10n });
  expect((await list()).entries).toHaveLength(9);
});

test("a watcher gets what lies above a gap in order, once it heals", async () => {
  const seen: number[] = [];
  const watching = (async () => {
    for await (const { entry } of history.watchWallet({ walletId: alice })) {
      seen.push(Number(entry?.version));
      if (seen.length === 10) return;
    }
  })();
  await expect.poll(() => seen).toEqual([0, 1, 2, 3, 4]);
  await heal();
  await watching;
  expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
