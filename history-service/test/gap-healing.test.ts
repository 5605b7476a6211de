import { createLogger } from "@pelikuni/runtime/logger";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { startGapHealing } from "../src/gap-healing.ts";
import type { ArrivedMessage } from "../src/parked-event-store.ts";
import { createJournalMaker } from "./journal-maker.ts";
import { createHistoryBed, type HistoryBed } from "./test-history.ts";

const logger = createLogger("test", { level: "silent", format: "json" });

let bed: HistoryBed;
let messages: readonly ArrivedMessage[];
let healing: AsyncDisposable;
beforeAll(async () => {
  bed = await createHistoryBed();
  const journal = createJournalMaker("healing");
  const wallet = journal.createWallet();
  for (let count = 1; count < 1_300; count += 1) journal.fund(wallet, 1n);
  journal.endSegment();
  messages = journal.messages;
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await bed.clear();
});
afterEach(async () => {
  await healing[Symbol.asyncDispose]();
});

function heal(patienceMs: number, pool = bed.pool): void {
  const { journal, ingestion } = bed;
  healing = startGapHealing({ pool, journal, ingestion, logger, patienceMs });
}

async function completeTo(): Promise<bigint | undefined> {
  return (await bed.completeness()).completeTo;
}

test("what is missing before an event that waits is fetched from the feed, more than one batch of it", async () => {
  bed.feed.messages = messages;
  await bed.ingestion.ingest([...messages.slice(0, 10), ...messages.slice(1_200, 1_300)]);
  heal(20);
  await expect.poll(completeTo, { timeout: 20_000 }).toBe(1_300n);
  const [row] = await bed.owner<{ count: bigint }[]>`select count(*) as count from events`;
  expect(row?.count).toBe(1_300n);
});

test("what the source has never brought is fetched, although nothing waits for it", async () => {
  bed.feed.messages = messages;
  heal(20);
  await expect.poll(completeTo, { timeout: 20_000 }).toBe(1_300n);
  expect(await bed.completeness()).toMatchObject({ missing: [], parkedCount: 0n });
});

test("a position in doubt is decided by the feed once it can be asked", async () => {
  const other = createJournalMaker("another history");
  other.createWallet();
  const [stranger] = other.messages;
  if (stranger === undefined) throw new Error("Nothing was made.");
  const inDoubt = [...messages.slice(0, 6), { ...stranger, position: 6n }];
  await expect(bed.ingestion.ingest(inDoubt)).rejects.toThrow("could not be asked");
  heal(20);
  expect(await completeTo()).toBe(5n);
  bed.feed.messages = messages.slice(0, 8);
  await expect.poll(completeTo, { timeout: 20_000 }).toBe(8n);
  expect(await bed.completeness()).toMatchObject({ parkedCount: 1n, stoppedReason: "" });
});

test("history that lacks nothing, or is stopped, is left alone", async () => {
  bed.feed.messages = messages;
  await bed.ingestion.ingest(messages.slice(0, 10));
  await bed.owner`update completeness set stopped_reason = 'for a test'`;
  let looks = 0;
  heal(20, {
    ...bed.pool,
    async read(query) {
      const rows = await bed.pool.read(query);
      looks += 1;
      return rows;
    },
  });
  // Whoever would act has looked and had the time for it, many times over.
  await expect.poll(() => looks).toBeGreaterThan(20);
  expect(bed.feed.subscriptions).toBe(0);
  expect((await bed.owner`select 1 from events`).length).toBe(10);
});
