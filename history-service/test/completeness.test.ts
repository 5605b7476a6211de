import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { ArrivedMessage } from "../src/parked-event-store.ts";
import { createJournalMaker } from "./journal-maker.ts";
import { createHistoryBed, type HistoryBed } from "./test-history.ts";

let bed: HistoryBed;
let messages: readonly ArrivedMessage[];
beforeAll(async () => {
  bed = await createHistoryBed();
  const journal = createJournalMaker("completeness");
  const wallet = journal.createWallet();
  for (let count = 1; count < 10; count += 1) journal.fund(wallet, 1n);
  messages = journal.messages;
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await bed.clear();
});

// The events of the journal maker occur a second apart, from the beginning of 2026.
const occurredMs = (position: number): number => Date.UTC(2026, 0, 1) + 1_000 * (position - 1);

test("history that has all of the wallet-service's events lags behind nothing", async () => {
  await bed.ingestion.ingest(messages);
  bed.feed.messages = messages;
  const { walletServicePosition, lagMs } = await bed.completeness();
  expect([walletServicePosition, lagMs]).toEqual([10n, 0n]);
});

test("the lag is as old as the first event that history lacks, and grows while nothing comes", async () => {
  await bed.ingestion.ingest(messages.slice(0, 4));
  bed.feed.messages = messages;
  const before = BigInt(Date.now() - occurredMs(5));
  const first = await bed.completeness();
  expect(first).toMatchObject({ completeTo: 4n, walletServicePosition: 10n });
  expect(first.lagMs).toBeGreaterThanOrEqual(before);
  const lag = async () => (await bed.completeness()).lagMs;
  await expect.poll(lag).toBeGreaterThan(first.lagMs ?? 0n);
});

test("a wallet-service that cannot be asked is no wallet-service without news", async () => {
  await bed.ingestion.ingest(messages);
  expect(await bed.completeness()).not.toHaveProperty("walletServicePosition");
});

test("a source that fails is shown with its error and since when, until it works again", async () => {
  const sinceMs = Date.now();
  bed.source.failed(new Error("no broker"));
  const { sourceFailingSince } = await bed.completeness();
  bed.source.failed(new Error("still no broker"));
  expect(await bed.completeness()).toMatchObject({
    sourceError: "Error: still no broker",
    sourceFailingSince,
  });
  const shownMs = Number(sourceFailingSince?.seconds) * 1_000;
  expect(Math.abs(shownMs - sinceMs)).toBeLessThan(5_000);
  bed.source.works();
  expect(await bed.completeness()).not.toHaveProperty("sourceError");
});
