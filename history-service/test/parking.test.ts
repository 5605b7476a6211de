import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type ArrivedMessage, listParked, noteReplay } from "../src/parked-event-store.ts";
import { createJournalMaker } from "./journal-maker.ts";
import { createHistoryBed, type HistoryBed } from "./test-history.ts";

let bed: HistoryBed;
let messages: readonly ArrivedMessage[];
beforeAll(async () => {
  bed = await createHistoryBed();
  const journal = createJournalMaker("parking");
  const [one, two] = [journal.createWallet(), journal.createWallet()];
  journal.fund(one, 1_000_000n);
  journal.transfer(one, two, 10_000n);
  journal.endSegment();
  messages = journal.messages;
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await bed.clear();
  bed.logged.length = 0;
});

function poison(offset: bigint, value: Uint8Array = Buffer.from("poison")): ArrivedMessage {
  const origin = { topic: "wallet-events", partition: 0, offset };
  return { position: 99n, bytes: value, journalHash: undefined, origin, confirmed: false };
}

test("a wallet id that Postgres cannot store is parked, and its batch goes in", async () => {
  const event = fromBinary(WalletEventSchema, messages[3]?.bytes ?? new Uint8Array());
  for (const change of event.changes) change.walletId = "a\0b";
  const message = poison(7n, toBinary(WalletEventSchema, event));
  await bed.ingestion.ingest([message, ...messages]);
  expect(await bed.completeness()).toMatchObject({ completeTo: 4n, parkedCount: 1n });
});

test("a message is logged when it is parked, and not when it comes again", async () => {
  await bed.ingestion.ingest([poison(7n)]);
  await bed.ingestion.ingest([poison(7n)]);
  expect(bed.logged).toEqual(["error: A message was parked."]);
});

test("another message at the offset of a parked one, on a topic made anew, is parked as well", async () => {
  await bed.ingestion.ingest([poison(7n)]);
  await bed.ingestion.ingest([poison(7n, Buffer.from("another"))]);
  await bed.ingestion.ingest([poison(7n), poison(7n, Buffer.from("another"))]);
  expect(await bed.completeness()).toMatchObject({ parkedCount: 2n });
});

test("reasons are kept in a storable form, and cut", async () => {
  await bed.ingestion.ingest([poison(1n)]);
  const [first] = (await bed.pool.read((sql) => listParked(sql, 0n, 1))).shown;
  const id = first?.id ?? 0n;
  await bed.pool.call((sql) => noteReplay(sql, id, { reason: `a\0b${"x".repeat(5_000)}` }));
  const [noted] = (await bed.pool.read((sql) => listParked(sql, 0n, 1))).shown;
  expect(noted?.reason).toBe(`a\\0b${"x".repeat(997)}`);
});

test("pages of large messages are cut by their size, and together show every message", async () => {
  const size = 70_000;
  const large = Array.from({ length: 100 }, (_, index) =>
    poison(BigInt(index), Buffer.alloc(size, index)),
  );
  await bed.ingestion.ingest(large);
  const offsets: bigint[] = [];
  let pages = 0;
  let behind = 0n;
  for (let hasMore = true; hasMore; pages += 1) {
    const page = await bed.pool.read((sql) => listParked(sql, behind, 40));
    const bytes = page.shown.reduce((sum, { value }) => sum + value.length, 0);
    expect(bytes).toBeLessThanOrEqual(2 * 1024 * 1024);
    for (const { value } of page.shown) expect(value).toHaveLength(65_536);
    offsets.push(...page.shown.map(({ offset }) => offset));
    behind = page.shown.at(-1)?.id ?? 0n;
    hasMore = page.hasMore;
  }
  expect(offsets).toEqual(large.map(({ origin }) => origin.offset));
  expect(pages).toBe(4);
});

test("a page is as long as asked for, and the last one says so", async () => {
  await bed.ingestion.ingest([1n, 2n, 3n, 4n].map((offset) => poison(offset)));
  const first = await bed.pool.read((sql) => listParked(sql, 0n, 2));
  expect([first.shown.length, first.hasMore]).toEqual([2, true]);
  const behind = first.shown.at(-1)?.id ?? 0n;
  const second = await bed.pool.read((sql) => listParked(sql, behind, 2));
  expect([second.shown.length, second.hasMore]).toEqual([2, false]);
  const none = await bed.pool.read((sql) => listParked(sql, second.shown.at(-1)?.id ?? 0n, 2));
  expect([none.shown.length, none.hasMore]).toEqual([0, false]);
});

test("a message that was replayed stays replayed, whatever a later try ends in", async () => {
  await bed.ingestion.ingest([poison(1n)]);
  const [parked] = (await bed.pool.read((sql) => listParked(sql, 0n, 1))).shown;
  const id = parked?.id ?? 0n;
  const note = (outcome: Parameters<typeof noteReplay>[2]) =>
    bed.pool.call((sql) => noteReplay(sql, id, outcome));
  await note({ reason: "not yet" });
  const replayedAt = new Date(Date.UTC(2026, 0, 1));
  await note({ replayedAt });
  await note({ reason: "a slower try" });
  const [after] = (await bed.pool.read((sql) => listParked(sql, 0n, 1))).shown;
  expect(after).toMatchObject({ replayedAt, reason: parked?.reason });
  expect(await bed.completeness()).toMatchObject({ parkedCount: 0n });
});
