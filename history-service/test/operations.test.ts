import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { listEntries } from "../src/entry-store.ts";
import { entryMessage } from "../src/history-messages.ts";
import { verifyJournal } from "../src/journal-verification.ts";
import { verifyWallet } from "../src/wallet-verification.ts";
import { type Story, tellStory } from "./story.ts";
import { createHistoryBed, type HistoryBed, tamper } from "./test-history.ts";

let bed: HistoryBed;
let story: Story;
let last: bigint;
beforeAll(async () => {
  bed = await createHistoryBed();
  story = tellStory();
  last = BigInt(story.journal.messages.length);
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await bed.clear();
  await bed.ingestion.ingest(story.journal.messages);
});

async function descriptions(): Promise<string[]> {
  const found: string[] = [];
  for await (const progress of verifyJournal(bed.pool, { from: 1n, to: last, toEnd: true })) {
    found.push(...progress.findings.map(({ description }) => description));
  }
  return found;
}

test("entries tell of every kind what was held, and what they belong to", async () => {
  const page = { order: "ascending", behind: undefined, limit: 100 } as const;
  const filter = { walletId: story.alice, completeTo: last, kinds: [] };
  const entries = await bed.pool.read((sql) => listEntries(sql, filter, page));
  const { holdId, split } = story;
  expect(
    entries
      .map(entryMessage)
      .map(({ kind, amount, held, available, holdId: hold, reversesTransactionId }) => {
        return [kind, amount, held, available, hold, reversesTransactionId];
      }),
  ).toEqual([
    ["wallet_created", "0.0000", "0.0000", "0.0000", "", ""],
    ["wallet_funded", "100.0000", "0.0000", "100.0000", "", ""],
    ["hold_placed", "0.0000", "60.0000", "40.0000", holdId, ""],
    ["transaction_posted", "-20.0000", "40.0000", "40.0000", holdId, ""],
    ["hold_released", "0.0000", "0.0000", "80.0000", holdId, ""],
    ["transaction_posted", "-10.0000", "0.0000", "70.0000", "", ""],
    ["transaction_posted", "3.4000", "0.0000", "73.4000", "", split],
    ["transaction_posted", "6.6000", "0.0000", "80.0000", "", split],
    ["wallet_updated", "0.0000", "0.0000", "80.0000", "", ""],
    ["transaction_posted", "-5.0000", "0.0000", "75.0000", "", ""],
    ["transfer_completed", "-0.1000", "0.0000", "74.9000", "", ""],
  ]);
  expect(entryMessage(entries[1] ?? expect.fail())).toMatchObject({
    details: {
      reference: "payin 1",
      description: 'the "first" \\ one',
      metadata: { b: "2", a: "" },
    },
  });
  expect(entries[0]?.details).toBeNull();
  const actor = { issuer: "https://id.example", subject: "payin", client: "till" };
  expect(entryMessage(entries[1] ?? expect.fail())).toMatchObject({ actor });
  expect(entries[0]?.actor).toBeNull();
});

const { signal } = new AbortController();

test("a history of every kind is whole", async () => {
  expect(await descriptions()).toEqual([]);
  for (const [walletId, { version }] of story.journal.wallets) {
    const result = await verifyWallet(bed.pool, { walletId, completeTo: last, signal });
    expect(result).toMatchObject({ verifiedVersions: version + 1n, finding: undefined });
  }
});

test.for([
  ["details", `jsonb_set(details, '{reference}', '"payin 2"')`],
  ["details", "details - 'description'"],
  ["details", "null"],
  ["actor", `jsonb_set(actor, '{subject}', '"mallory"')`],
  ["actor", "actor - 'client'"],
  ["actor", "null"],
  ["hold_id", "gen_random_uuid()"],
  ["reverses_transaction_id", "transaction_id"],
])("%s of an entry changed to %s is found and named", async ([column, value]) => {
  await tamper(bed, (sql) =>
    sql.unsafe(`update entries set ${column} = ${value}
      where wallet_id = '${story.alice}' and version = 1`),
  );
  const description = expect.stringContaining(`The entry's ${column} is`);
  expect(await descriptions()).toEqual([description]);
  expect(
    (await verifyWallet(bed.pool, { walletId: story.alice, completeTo: last, signal }))?.finding,
  ).toMatchObject({
    version: 1n,
    description,
  });
});
