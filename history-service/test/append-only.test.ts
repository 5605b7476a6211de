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
  "update entries set balance = 1000000",
  "update account_entries set amount = 1000000",
  "update account_totals set total_in = 1000000",
  "update parked_events set reason = ''",
  "delete from events",
  "delete from entries where wallet_id is not null",
  "delete from account_entries",
  "delete from account_totals",
  "delete from parked_events",
  "truncate events",
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
