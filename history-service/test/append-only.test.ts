import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createJournalMaker } from "./journal-maker.ts";
import { createHistoryBed, type HistoryBed } from "./test-history.ts";

let bed: HistoryBed;
let service: postgres.Sql;
beforeAll(async () => {
  bed = await createHistoryBed();
  service = postgres(bed.database.serviceUrl, { max: 1 });
  const journal = createJournalMaker("append-only");
  journal.createWallet();
  const [message] = journal.messages;
  if (message === undefined) throw new Error("Nothing was made.");
  const poison = { ...message, bytes: new Uint8Array() };
  await bed.ingestion.ingest([message, poison]);
});
afterAll(async () => {
  await service.end();
  await bed[Symbol.asyncDispose]();
});

const changes = [
  "update events set bytes = ''",
  "update late_journal_hashes set journal_hash = ''",
  "update entries set balance = 1000000",
  "update account_entries set amount = 1000000",
  "update account_totals set total_in = 1000000",
  "update parked_events set reason = ''",
  "delete from events",
  "delete from late_journal_hashes",
  "delete from entries where wallet_id is not null",
  "delete from account_entries",
  "delete from account_totals",
  "delete from parked_events",
  "truncate events",
  "truncate late_journal_hashes",
  "truncate entries",
  "truncate account_entries",
  "truncate account_totals",
  "truncate parked_events cascade",
];

test.for(changes)("%s is refused to the service's role by rights", async (change) => {
  await expect(service.unsafe(change)).rejects.toThrow("permission denied");
});

test.for(changes)("%s is refused to the owner by the trigger", async (change) => {
  await expect(bed.owner.unsafe(change)).rejects.toThrow("is append-only");
});

test("the triggers fire in sessions that replicate, too", async () => {
  // Only a superuser may begin one, and the owner of these tests is none: the catalogue has to tell.
  const triggers = await bed.owner<{ table: string; fires: string }[]>`
    select tgrelid::regclass::text as table, tgenabled::text as fires from pg_trigger
    where tgname = 'append_only'`;
  const always = triggers.filter(({ fires }) => fires === "A").map(({ table }) => table);
  const guarded = changes.filter((change) => change.startsWith("truncate"));
  expect(new Set(guarded.map((change) => change.split(" ")[1]))).toEqual(new Set(always));
});

test("the service's role can stop ingestion, but neither lift a stop nor change its reason", async () => {
  const stop = (reason: string) => service`select stop_ingestion(${reason}, now())`;
  const reason = async () =>
    (await service`select stopped_reason as reason from completeness`)[0]?.reason;
  await stop("the first reason");
  await stop("another reason");
  expect(await reason()).toBe("the first reason");
  const lift = service`update completeness set stopped_reason = null, stopped_at = null`;
  await expect(lift).rejects.toThrow("permission denied");
  // As the README tells an operator.
  await bed.owner`update completeness set stopped_reason = null, stopped_at = null`;
  expect(await reason()).toBeNull();
});

test("the service's role owns nothing, and cannot disable a trigger", async () => {
  const owned = await service`
    select relname from pg_class where pg_has_role(current_user, relowner, 'member')
      and relnamespace = 'public'::regnamespace`;
  expect(owned).toEqual([]);
  const disabling = service`alter table events disable trigger append_only`;
  await expect(disabling).rejects.toThrow("must be owner");
  const rows = await service`select (select count(*)::int from events) as events,
    (select count(*)::int from entries) as entries,
    (select count(*)::int from parked_events) as parked`;
  expect(rows[0]).toEqual({ events: 1, entries: 1, parked: 1 });
});
