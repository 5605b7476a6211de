import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { verifyJournal } from "../src/journal-verification.ts";
import { verifyWallet } from "../src/wallet-verification.ts";
import {
  findInJournal,
  findInWallet,
  last,
  makeJournalToVerify,
  toVerify,
} from "./journal-to-verify.ts";
import { createHistoryBed, type HistoryBed, tamper } from "./test-history.ts";

const { journal, alice, bob, carol } = makeJournalToVerify();

let bed: HistoryBed;
beforeAll(async () => {
  bed = await createHistoryBed();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await bed.clear();
  await bed.ingestion.ingest(journal.messages);
});

test("an untouched history is whole, from any position on", async () => {
  for (const from of [1n, 2n, 4n, 5n, 9n, 14n]) expect(await findInJournal(bed, from)).toEqual([]);
  expect(await findInJournal(bed, 3n, 8n)).toEqual([]);
  for (const [walletId, { version, head }] of journal.wallets) {
    const result = await verifyWallet(bed.pool, toVerify(walletId));
    expect(result).toMatchObject({ verifiedVersions: version + 1n, finding: undefined });
    expect(Buffer.from(result?.head ?? [])).toEqual(Buffer.from(head));
  }
});

test("a wallet that history does not know is not called whole", async () => {
  const unknown = "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1";
  expect(await verifyWallet(bed.pool, toVerify(unknown))).toBeUndefined();
});

test("the hash of the last segment is that of the journal", async () => {
  let journalHash: Uint8Array = new Uint8Array();
  const range = { from: 1n, to: last, toEnd: true };
  for await (const progress of verifyJournal(bed.pool, range)) {
    journalHash = progress.journalHash ?? journalHash;
  }
  expect(Buffer.from(journalHash)).toEqual(journal.messages.at(-1)?.journalHash);
});

const columns = {
  amount: "amount + 1",
  balance: "balance + 1",
  held: "0.0001",
  currency: "'EUR'",
  kind: "'wallet_funded'",
  status: "'CLOSED'",
  user_id: "'mallory'",
  request_id: "'forged'",
  actor: `'{"issuer":"https://id.example","subject":"mallory","client":""}'`,
  occurred_at: "occurred_at + interval '1 ms'",
  transaction_id: "gen_random_uuid()",
  head: "sha256(head)",
};

test.for(Object.entries(columns))(
  "a changed %s of an entry is found and named",
  async ([column, value]) => {
    await tamper(bed, (sql) =>
      sql.unsafe(
        `update entries set ${column} = ${value} where wallet_id = '${bob}' and version = 3`,
      ),
    );
    const named = { walletId: bob, version: 3n, description: expect.stringContaining(column) };
    expect(await findInWallet(bed, bob)).toMatchObject(named);
    expect(await findInJournal(bed)).toContainEqual(expect.objectContaining(named));
    expect(await findInWallet(bed, alice)).toBeUndefined();
  },
);

test("an entry moved to another event's position is found", async () => {
  await tamper(
    bed,
    (sql) => sql`
    update entries set position = position + 2 where wallet_id = ${bob} and version = 3`,
  );
  expect(await findInWallet(bed, bob)).toMatchObject({ walletId: bob, version: 3n });
  expect(await findInJournal(bed)).toContainEqual(
    expect.objectContaining({ walletId: bob, version: 3n }),
  );
});

test("an entry removed in the middle of a trail is found and named", async () => {
  await tamper(bed, (sql) => sql`delete from entries where wallet_id = ${bob} and version = 4`);
  const description = "This version is missing.";
  expect(await findInWallet(bed, bob)).toMatchObject({ walletId: bob, version: 4n, description });
  expect(await findInJournal(bed)).toEqual([
    expect.objectContaining({
      walletId: bob,
      version: 4n,
      description: expect.stringContaining("missing"),
    }),
  ]);
});

test("an entry removed at the end of a trail is found and named", async () => {
  await tamper(bed, (sql) => sql`delete from entries where wallet_id = ${bob} and version = 10`);
  const named = { position: 14n, walletId: bob, version: 10n };
  expect(await findInWallet(bed, bob)).toMatchObject(named);
  expect(await findInJournal(bed)).toEqual([expect.objectContaining(named)]);
});

test("the end of a trail removed together with its events is found and named", async () => {
  await tamper(bed, async (sql) => {
    await sql`delete from entries where position >= 13`;
    await sql`delete from events where position >= 13`;
  });
  expect(await findInWallet(bed, bob)).toMatchObject({
    position: 13n,
    walletId: bob,
    version: 9n,
    description: expect.stringContaining("may have changed the wallet to this version"),
  });
  expect(await findInJournal(bed)).toEqual([
    expect.objectContaining({ position: 13n }),
    expect.objectContaining({ position: 14n }),
  ]);
});

test("a whole wallet removed is found and named", async () => {
  await tamper(bed, (sql) => sql`delete from entries where wallet_id = ${carol}`);
  const named = { position: 3n, walletId: carol, version: 0n };
  expect(await findInWallet(bed, carol)).toMatchObject(named);
  const found = await findInJournal(bed);
  expect(found.map(({ walletId, version }) => [walletId, version])).toEqual(
    [0n, 1n, 2n, 3n, 4n, 5n].map((version) => [carol, version]),
  );
});

test("a removed event is found, and so are entries without one", async () => {
  await tamper(bed, (sql) => sql`delete from events where position = 6`);
  expect(await findInJournal(bed)).toEqual([
    expect.objectContaining({
      position: 6n,
      description: "The event of this position is missing.",
    }),
    expect.objectContaining({ position: 6n, walletId: carol, version: 1n }),
    expect.objectContaining({ position: 6n, walletId: bob, version: 2n }),
  ]);
  expect(await findInWallet(bed, bob)).toMatchObject({ position: 6n, walletId: bob, version: 2n });
});

test("an invented entry is found, above what is complete too", async () => {
  for (const position of [9, 1_000]) {
    await bed.owner`
      insert into entries
      select wallet_id, 77, ${position}, transaction_id, occurred_at, kind, amount, currency,
        balance, held, status, user_id, request_id, details, hold_id, reverses_transaction_id, head
      from entries where wallet_id = ${alice} and version = 3`;
    expect(await findInJournal(bed)).toEqual([
      expect.objectContaining({ walletId: alice, version: 77n, position: BigInt(position) }),
    ]);
    await tamper(bed, (sql) => sql`delete from entries where version = 77`);
  }
});

test.for([
  ["occurred_at", "occurred_at + interval '1 ms'"],
  ["transaction", "gen_random_uuid()"],
] as const)("a changed %s of an event is found", async ([name, value]) => {
  const column = name === "transaction" ? "transaction_id" : name;
  await tamper(bed, (sql) =>
    sql.unsafe(`update events set ${column} = ${value} where position = 9`),
  );
  const named = { position: 9n, description: expect.stringMatching(`^The event.*${name}`) };
  expect(await findInJournal(bed)).toEqual([expect.objectContaining(named)]);
  expect(await findInWallet(bed, alice)).toMatchObject({ ...named, version: 4n });
});

test("rows that their owner wrote anew with the triggers on are found", async () => {
  await bed.owner`alter table entries alter column request_id type text using 'forged'`;
  const description = expect.stringContaining("request_id is forged");
  expect(await findInJournal(bed)).toContainEqual(expect.objectContaining({ description }));
  expect(await findInWallet(bed, alice)).toMatchObject({ version: 0n, description });
});

test("a wallet's verification ends with its caller: in the trail, in the segment, behind both", async () => {
  const left = new Error("The caller is gone.");
  for (const readsUntilThen of [0, 4, 5]) {
    const caller = new AbortController();
    let reads = 0;
    const leaveAfter = (): void => {
      if (reads === readsUntilThen) caller.abort(left);
    };
    const pool: DatabaseClient = {
      ...bed.pool,
      async read(query) {
        reads += 1;
        const rows = await bed.pool.read(query);
        leaveAfter();
        return rows;
      },
    };
    leaveAfter();
    const wallet = { ...toVerify(alice), signal: caller.signal };
    await expect(verifyWallet(pool, wallet)).rejects.toBe(left);
    expect(reads).toBe(readsUntilThen);
  }
});
