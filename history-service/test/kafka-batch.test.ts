import { afterAll, beforeAll, expect, test } from "vitest";
import { readBatch } from "../src/kafka-source.ts";
import { createJournalMaker } from "./journal-maker.ts";
import { createHistoryBed, type HistoryBed } from "./test-history.ts";

let bed: HistoryBed;
beforeAll(async () => {
  bed = await createHistoryBed();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

/** A batch as kafkajs gives it, of a partition with all events, and the offsets resolved. */
function batchOf(count: number): { payload: Parameters<typeof readBatch>[0]; resolved: string[] } {
  const journal = createJournalMaker("batch");
  const wallet = journal.createWallet();
  for (let funding = 1; funding < count; funding += 1) journal.fund(wallet, 1n);
  const about = { key: null, timestamp: "0", attributes: 0 };
  const messages = journal.messages.map(({ position, bytes }, index) => ({
    ...about,
    offset: String(index),
    value: Buffer.from(bytes),
    headers: { position: String(position) },
  }));
  const resolved: string[] = [];
  const payload = {
    batch: {
      topic: "wallet-events",
      partition: 0,
      highWatermark: String(count),
      messages,
      isEmpty: () => false,
      firstOffset: () => "0",
      lastOffset: () => String(count - 1),
      offsetLag: () => "0",
      offsetLagLow: () => "0",
    },
    resolveOffset: (offset: string) => {
      resolved.push(offset);
    },
    heartbeat: async () => undefined,
    isRunning: () => true,
    isStale: () => false,
  };
  return { payload, resolved };
}

test("an offset is resolved after what lies below it is in the database, part by part", async () => {
  const { payload, resolved } = batchOf(2_500);
  const { signal } = new AbortController();
  await bed.owner`alter function ingest_events_2 rename to ingest_events_away`;
  const reading = () => readBatch(payload, bed.ingestion, signal, () => undefined);
  await expect(reading()).rejects.toThrow("does not exist");
  expect(resolved).toEqual([]);
  await bed.owner`alter function ingest_events_away rename to ingest_events_2`;
  await reading();
  expect(resolved).toEqual(["999", "1999", "2499"]);
  expect((await bed.completeness()).completeTo).toBe(2_500n);
});

test("a batch that went stale is left where it is", async () => {
  const { payload, resolved } = batchOf(10);
  const stale = { ...payload, isStale: () => true };
  await readBatch(stale, bed.ingestion, new AbortController().signal, () => undefined);
  expect(resolved).toEqual([]);
});
