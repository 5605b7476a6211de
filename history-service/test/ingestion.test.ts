import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { replayParkedEvent } from "../src/parked-event-replay.ts";
import type { ArrivedMessage } from "../src/parked-event-store.ts";
import { createJournalMaker, type JournalMaker } from "./journal-maker.ts";
import { createHistoryBed, type HistoryBed } from "./test-history.ts";

let bed: HistoryBed;
let journal: JournalMaker;
let messages: readonly ArrivedMessage[];
beforeAll(async () => {
  bed = await createHistoryBed();
  journal = createJournalMaker("ingestion");
  const [one, two] = [journal.createWallet(), journal.createWallet()];
  journal.fund(one, 1_000_000n);
  journal.endSegment();
  for (let count = 0; count < 12; count += 1) journal.transfer(one, two, 10_000n);
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

/** The tables as texts, without what the clock has put there. */
async function tables(): Promise<{ events: string[]; entries: string[] }> {
  const events = await bed.owner<{ row: string }[]>`
    select (position, transaction_id, occurred_at, hash, bytes, journal_hash)::text as row
    from events order by position`;
  const entries = await bed.owner<{ row: string }[]>`
    select entries::text as row from entries order by wallet_id, version`;
  return { events: events.map(({ row }) => row), entries: entries.map(({ row }) => row) };
}

function at(position: number): ArrivedMessage {
  const message = messages[position - 1];
  if (message === undefined) throw new Error(`Nothing was made at ${position}.`);
  return message;
}

/** The event at a position as another history has it. */
function forked(position: number): ArrivedMessage {
  const other = createJournalMaker("another history");
  other.createWallet();
  const [message] = other.messages;
  if (message === undefined) throw new Error("Nothing was made.");
  return { ...message, position: BigInt(position) };
}

test("every event is kept as it was hashed, with an entry for each wallet touched", async () => {
  await bed.ingestion.ingest(messages);
  const rows = await bed.owner<{ position: bigint; bytes: Uint8Array }[]>`
    select position, bytes from events order by position`;
  expect(rows.map(({ position, bytes }) => [position, Buffer.from(bytes)])).toEqual(
    messages.map(({ position, bytes }) => [position, Buffer.from(bytes)]),
  );
  const latest = await bed.owner<{ id: string; version: bigint; balance: string }[]>`
    select distinct on (wallet_id) wallet_id as id, version, balance from entries
    order by wallet_id, version desc`;
  expect(new Map(latest.map(({ id, version, balance }) => [id, [version, balance]]))).toEqual(
    new Map(
      [...journal.wallets].map(([id, { version, units }]) => {
        return [id, [version, `${units / 10_000n}.0000`]];
      }),
    ),
  );
  expect(await bed.completeness()).toMatchObject({
    completeTo: 15n,
    highestPosition: 15n,
    missing: [],
    parkedCount: 0n,
    stoppedReason: "",
  });
});

test("duplicates change nothing, in one batch or in another", async () => {
  await bed.ingestion.ingest(messages);
  const before = await tables();
  await bed.ingestion.ingest(messages);
  await bed.ingestion.ingest([at(3), at(3), at(15)]);
  expect(await tables()).toEqual(before);
  expect(before.events).toHaveLength(15);
  expect(before.entries).toHaveLength(27);
});

test("what arrives out of order is put in place; gaps are visible, and heal", async () => {
  await bed.ingestion.ingest(messages);
  const inOrder = await tables();
  await bed.clear();
  await bed.ingestion.ingest([at(15), at(9), at(10), at(2)]);
  expect(await bed.completeness()).toMatchObject({
    completeTo: 0n,
    highestPosition: 15n,
    missing: [
      { first: 1n, last: 1n },
      { first: 3n, last: 8n },
      { first: 11n, last: 14n },
    ],
  });
  await bed.ingestion.ingest([at(1), at(4), at(3), at(5)]);
  expect(await bed.completeness()).toMatchObject({ completeTo: 5n });
  await bed.ingestion.ingest(messages.slice(5, 8));
  expect(await bed.completeness()).toMatchObject({
    completeTo: 10n,
    missing: [{ first: 11n, last: 14n }],
  });
  await bed.ingestion.ingest(messages.slice(10, 14).toReversed());
  expect(await bed.completeness()).toMatchObject({ completeTo: 15n, missing: [] });
  expect(await tables()).toEqual(inOrder);
});

test("two replicas that take in the same events at once end in the same tables", async () => {
  const replicas = [bed.replica(), bed.replica(), bed.replica()];
  await Promise.all(
    replicas.flatMap((replica) => [
      replica.ingest(messages.toReversed()),
      replica.ingest(messages.slice(4)),
      replica.ingest(messages),
    ]),
  );
  const together = await tables();
  await bed.clear();
  await bed.ingestion.ingest(messages);
  expect(together).toEqual(await tables());
  expect(await bed.completeness()).toMatchObject({ completeTo: 15n });
});

const unreadable: Record<string, () => ArrivedMessage> = {
  "is no WalletEvent": () => ({ ...at(5), bytes: Buffer.from("poison") }),
  "is empty": () => ({ ...at(5), bytes: new Uint8Array() }),
  "names no position": () => ({ ...at(5), position: undefined }),
  "carries a journal hash that is none": () => ({
    ...at(5),
    journalHash: Buffer.from("ab", "hex"),
  }),
};

test.for(Object.keys(unreadable))(
  "a message that %s is parked with everything that came with it, and ingestion goes on",
  async (name) => {
    const origin = { topic: "wallet-events", partition: 3, offset: 99n };
    const message = { ...(unreadable[name]?.() ?? at(1)), origin };
    await bed.ingestion.ingest([...messages.slice(0, 4), message, ...messages.slice(5)]);
    await bed.ingestion.ingest([message]);
    expect(await bed.completeness()).toMatchObject({
      completeTo: 4n,
      missing: [{ first: 5n, last: 5n }],
      parkedCount: 1n,
    });
    const [parked] = await bed.owner<
      { topic: string; partition: number; message_offset: bigint; value: Buffer; reason: string }[]
    >`select * from parked_events`;
    expect(parked).toMatchObject({ topic: "wallet-events", partition: 3, message_offset: 99n });
    expect(parked?.value).toEqual(Buffer.from(message.bytes));
    expect(parked?.reason).toMatch(/^(Not an event of the journal: |It names|Its journal_hash)/);
  },
);

test("an event that the database refuses is parked alone, and its neighbours go in", async () => {
  // Stands for a rule of the tables that decoding does not know.
  await bed.owner`alter table entries add constraint refused check (request_id <> 'request 7')`;
  await bed.ingestion.ingest(messages);
  await bed.owner`alter table entries drop constraint refused`;
  expect(await bed.completeness()).toMatchObject({
    completeTo: 6n,
    highestPosition: 15n,
    missing: [{ first: 7n, last: 7n }],
    parkedCount: 1n,
  });
  const [parked] = await bed.owner<{ id: bigint; reason: string }[]>`
    select id, reason from parked_events`;
  expect(parked?.reason).toContain("The database refuses it");
  const parts = { pool: bed.pool, ingestion: bed.ingestion, now: Date.now };
  expect(await replayParkedEvent(parts, parked?.id ?? 0n)).toEqual({ outcome: "replayed" });
  expect(await bed.completeness()).toMatchObject({ completeTo: 15n, parkedCount: 0n });
});

test("what the database refuses for other reasons is an error, and parks nothing", async () => {
  await bed.owner`alter function ingest_events_2 rename to ingest_events_away`;
  await expect(bed.ingestion.ingest(messages)).rejects.toThrow("does not exist");
  await bed.owner`alter function ingest_events_away rename to ingest_events_2`;
  expect(await bed.completeness()).toMatchObject({ highestPosition: 0n, parkedCount: 0n });
  await bed.ingestion.ingest(messages);
  expect(await bed.completeness()).toMatchObject({ completeTo: 15n });
});

test("a parked message is taken in once this release can read it, and only then", async () => {
  await bed.ingestion.ingest([at(1), at(2), { ...at(3), bytes: Buffer.from("poison") }, at(4)]);
  const { position, bytes, journalHash } = at(3);
  // As a release that did not know the kind would have parked it.
  await bed.owner`
    insert into parked_events
      (topic, partition, message_offset, position, journal_hash, value, reason)
    values ('wallet-events', 0, 7, ${position ?? null}, ${Buffer.from(journalHash ?? [])},
      ${Buffer.from(bytes)}, 'of an unknown kind')`;
  const ids = (await bed.owner<{ id: bigint }[]>`select id from parked_events order by id`).map(
    ({ id }) => id,
  );
  const parts = { pool: bed.pool, ingestion: bed.ingestion, now: Date.now };
  const replay = (id = 0n) => replayParkedEvent(parts, id);
  expect(await replay(ids[0])).toMatchObject({
    outcome: "refused",
    reason: expect.stringContaining("no WalletEvent"),
  });
  expect(await bed.completeness()).toMatchObject({ completeTo: 2n, parkedCount: 2n });
  expect(await replay(ids[1])).toEqual({ outcome: "replayed" });
  expect(await replay(ids[1])).toEqual({ outcome: "replayed" });
  expect(await replay(-1n)).toEqual({ outcome: "unknown" });
  expect(await bed.completeness()).toMatchObject({ completeTo: 4n, parkedCount: 1n });
});

test("a parked message that contradicts history stays parked, and stops nothing", async () => {
  await bed.ingestion.ingest(messages.slice(0, 3));
  const { bytes } = forked(2);
  await bed.owner`
    insert into parked_events (topic, partition, message_offset, position, value, reason)
    values ('wallet-events', 0, 7, 2, ${Buffer.from(bytes)}, 'of an unknown kind')`;
  const [row] = await bed.owner<{ id: bigint }[]>`select id from parked_events`;
  const parts = { pool: bed.pool, ingestion: bed.ingestion, now: Date.now };
  expect(await replayParkedEvent(parts, row?.id ?? 0n)).toMatchObject({
    outcome: "refused",
    reason: expect.stringMatching(/^It contradicts what is known: position 2/),
  });
  await bed.ingestion.ingest(messages);
  expect(await bed.completeness()).toMatchObject({ completeTo: 15n, stoppedReason: "" });
});

test("a gap below many events is crossed to the end once it heals", async () => {
  const long = createJournalMaker("long");
  const wallet = long.createWallet();
  for (let count = 0; count < 2_500; count += 1) long.fund(wallet, 1n);
  for (let from = 1; from < 2_501; from += 500)
    await bed.ingestion.ingest(long.messages.slice(from, from + 500));
  expect(await bed.completeness()).toMatchObject({ completeTo: 0n, highestPosition: 2_501n });
  await bed.ingestion.ingest(long.messages.slice(0, 1));
  expect(await bed.completeness()).toMatchObject({ completeTo: 2_501n, missing: [] });
  expect((await bed.owner`select position from waiting_events`).length).toBe(0);
});
