import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { EventIngestion } from "../src/event-ingestion.ts";
import type { ArrivedMessage } from "../src/parked-event-store.ts";
import { createJournalMaker, type JournalMaker } from "./journal-maker.ts";
import { createHistoryBed, type HistoryBed } from "./test-history.ts";

let bed: HistoryBed;
let other: EventIngestion;
beforeAll(async () => {
  bed = await createHistoryBed();
  other = bed.replica();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

const step = fc.oneof(
  fc.record({ kind: fc.constant("create" as const) }),
  fc.record({ kind: fc.constant("fund" as const), to: fc.nat(5), units: fc.bigInt(1n, 10n ** 9n) }),
  fc.record({ kind: fc.constant("transfer" as const), from: fc.nat(5), to: fc.nat(5) }),
  fc.record({ kind: fc.constant("endSegment" as const) }),
);

function makeJournal(steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[]) {
  const journal = createJournalMaker("random");
  const ids = [journal.createWallet(), journal.createWallet()];
  const idAt = (index: number): string => ids[index % ids.length] ?? "";
  for (const each of steps) {
    if (each.kind === "create") ids.push(journal.createWallet());
    else if (each.kind === "fund") journal.fund(idAt(each.to), each.units);
    else if (each.kind === "endSegment") journal.endSegment();
    else transfer(journal, idAt(each.from), idAt(each.to));
  }
  journal.endSegment();
  return journal;
}

/** Half of what the sender has, if he has anything to give to somebody else. */
function transfer(journal: JournalMaker, from: string, to: string): void {
  const units = (journal.wallets.get(from)?.units ?? 0n) / 2n;
  if (units > 0n && from !== to) journal.transfer(from, to, units);
}

/** The tables as texts, without what the clock has put there. */
async function tables(): Promise<string[]> {
  const rows = await bed.owner<{ row: string }[]>`
    (select (position, transaction_id, occurred_at, hash, bytes, journal_hash)::text as row
      from events order by position)
    union all (select entries::text from entries order by wallet_id, version)
    union all (select account_entries::text from account_entries order by position, leg_index)`;
  return rows.map(({ row }) => row);
}

async function clear(): Promise<void> {
  await bed.clear();
  await other.resume();
}

/** A way to deliver: which messages, perhaps repeated, in which batches, by which replica. */
const delivery = fc.array(
  fc.record({
    replica: fc.nat(1),
    atOnce: fc.boolean(),
    picks: fc.array(fc.nat(1_000), { minLength: 1, maxLength: 12 }),
  }),
  { maxLength: 12 },
);

test("whatever the order and however often events arrive, the tables end the same", async () => {
  const steps = fc.array(step, { maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(steps, delivery, fc.infiniteStream(fc.nat()), async (made, batches, keys) => {
      const { messages, wallets } = makeJournal(made);
      await clear();
      await bed.ingestion.ingest(messages);
      const inOrder = await tables();
      await clear();
      await deliver(messages, batches);
      await bed.ingestion.ingest(shuffle(messages, keys));
      expect(await tables()).toEqual(inOrder);
      const completeness = { completeTo: BigInt(messages.length), missing: [], parkedCount: 0n };
      expect(await bed.completeness()).toMatchObject(completeness);
      await expectBalances(wallets);
    }),
    { numRuns: 60 },
  );
});

async function deliver(
  messages: readonly ArrivedMessage[],
  batches: readonly { replica: number; atOnce: boolean; picks: number[] }[],
): Promise<void> {
  const open: Promise<void>[] = [];
  for (const { replica, atOnce, picks } of batches) {
    const batch = picks.flatMap((pick) => messages[pick % messages.length] ?? []);
    open.push((replica === 0 ? bed.ingestion : other).ingest(batch));
    if (!atOnce) await Promise.all(open.splice(0));
  }
  await Promise.all(open);
}

function shuffle(messages: readonly ArrivedMessage[], keys: Iterable<number>): ArrivedMessage[] {
  const stream = keys[Symbol.iterator]();
  const keyed = messages.map((message) => ({ message, key: stream.next().value ?? 0 }));
  return keyed.toSorted((left, right) => left.key - right.key).map(({ message }) => message);
}

async function expectBalances(wallets: JournalMaker["wallets"]): Promise<void> {
  const rows = await bed.owner<{ id: string; version: bigint; units: bigint }[]>`
    select distinct on (wallet_id) wallet_id as id, version, (balance * 10000)::bigint as units
    from entries order by wallet_id, version desc`;
  const stored = rows.map(({ id, version, units }) => [id, version, units]);
  const expected = [...wallets].map(([id, { version, units }]) => [id, version, units]);
  expect(new Set(stored)).toEqual(new Set(expected));
}
