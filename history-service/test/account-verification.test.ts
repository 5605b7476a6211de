import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { verifyJournal } from "../src/journal-verification.ts";
import type { ArrivedMessage } from "../src/parked-event-store.ts";
import { createJournalMaker } from "./journal-maker.ts";
import { createHistoryBed, type HistoryBed, tamper } from "./test-history.ts";

let bed: HistoryBed;
let messages: readonly ArrivedMessage[];
let last: bigint;
beforeAll(async () => {
  bed = await createHistoryBed();
  const journal = createJournalMaker("account verification");
  const alice = journal.createWallet();
  while (journal.messages.length < 2_400) {
    journal.fund(alice, 10_000n);
    const legs = [{ from: alice, to: "fees", units: 100n }];
    journal.append({ kind: { case: "transactionPosted", value: {} }, legs });
    if (journal.messages.length % 100 < 2) journal.endSegment();
  }
  journal.endSegment();
  messages = journal.messages;
  last = BigInt(messages.length);
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await bed.clear();
  await bed.ingestion.ingest(messages);
});

async function findings(from = 1n): Promise<string[]> {
  const found: string[] = [];
  for await (const progress of verifyJournal(bed.pool, { from, to: last, toEnd: true })) {
    found.push(...progress.findings.map((each) => `${each.position}: ${each.description}`));
  }
  return found;
}

test("untouched accounts are whole, from any position on", async () => {
  const rows = await bed.owner<{ count: bigint }[]>`select count(*) as count from account_totals`;
  expect(rows[0]?.count).toBe(4n);
  for (const from of [1n, 700n, 1_001n, 1_500n, last]) expect(await findings(from)).toEqual([]);
});

const columns = {
  account: "'bank'",
  currency: "'EUR'",
  amount: "amount - 1",
  wallet_id: "gen_random_uuid()",
  transaction_id: "gen_random_uuid()",
  occurred_at: "occurred_at + interval '1 ms'",
  kind: "'transfer_completed'",
  details: "'{}'",
};

test.for(Object.entries(columns))(
  "a changed %s of an account's entry is found and named",
  async ([column, value]) => {
    await tamper(bed, (sql) =>
      sql.unsafe(`update account_entries set ${column} = ${value} where position = 1500`),
    );
    const description = new RegExp(`^1500: The entry of account external .*its ${column} is`);
    expect(await findings()).toEqual([expect.stringMatching(description)]);
  },
);

test.for<[string, string, RegExp]>([
  [
    "a removed entry",
    "delete from account_entries where position = 30",
    /^30: The entry of account external for leg 0 is missing/,
  ],
  [
    "an entry moved to another leg",
    "update account_entries set leg_index = 7 where position = 30",
    /^30: The entry of account external for leg 7 has no such leg/,
  ],
  [
    "an entry of an event that is removed",
    "delete from events where position = 30",
    /^30: The entry of account external for leg 0 has no event/,
  ],
  [
    "an entry above everything",
    "update account_entries set position = 999999 where position = 30",
    /^999999: The entry of account external for leg 0 has no event/,
  ],
  [
    "a total with more in it",
    "update account_totals set total_in = total_in + 1 where account = 'fees' and position = 1000",
    /^1000: The total of account fees in USD is wrong: its increase of total_in/,
  ],
  [
    "a total with more out of it",
    "update account_totals set total_out = 5 where account = 'external' and position = 2000",
    /^2000: The total of account external in USD is wrong: its increase of total_out/,
  ],
  [
    "a total with a later instant",
    "update account_totals set latest_at = latest_at + interval '1 ms' where position = 2000",
    /^2000: The total of account external in USD is wrong: its latest_at/,
  ],
  [
    "a total with a later beginning",
    "update account_totals set earliest_at = latest_at where position = 1000",
    /^1000: The total of account fees in USD is wrong: its earliest_at/,
  ],
  [
    "a removed total",
    "delete from account_totals where account = 'fees' and position = 1000",
    /^1000: The total of account fees in USD is missing/,
  ],
  [
    "a total of an account without a leg",
    "update account_totals set account = 'bank' where account = 'fees' and position = 2000",
    /^2000: The total of account bank in USD has no leg/,
  ],
  [
    "a total in between",
    "update account_totals set position = 1500 where account = 'fees' and position = 1000",
    /^1500: The total of account fees in USD stands where none is written/,
  ],
  [
    "a total above everything",
    "update account_totals set position = 3000 where account = 'fees' and position = 2000",
    /^3000: The total of account fees in USD stands where none can be yet/,
  ],
])("%s is found and named", async ([, change, finding]) => {
  await tamper(bed, (sql) => sql.unsafe(change));
  expect(await findings()).toContainEqual(expect.stringMatching(finding));
});

test("totals are compared as well where a verification begins in the middle", async () => {
  await tamper(
    bed,
    (sql) => sql`update account_totals set total_in = total_in + 1 where position = 2000`,
  );
  expect(await findings(1_001n)).toHaveLength(2);
  // The thousand before 2000 is not looked at from its beginning.
  expect(await findings(1_200n)).toEqual([]);
});
