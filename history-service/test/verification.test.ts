import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type WalletEvent, WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Finding } from "../src/event-verification.ts";
import { decodeEvent } from "../src/history-entry.ts";
import { verifyJournal } from "../src/journal-verification.ts";
import { verifyWallet, type WalletToVerify } from "../src/wallet-verification.ts";
import { createJournalMaker, type JournalMaker, segmentHash, sha256 } from "./journal-maker.ts";
import { createHistoryBed, type HistoryBed, tamper } from "./test-history.ts";

let bed: HistoryBed;
let journal: JournalMaker;
let alice: string;
let bob: string;
let carol: string;
beforeAll(async () => {
  bed = await createHistoryBed();
  journal = createJournalMaker("verification");
  alice = journal.createWallet();
  bob = journal.createWallet();
  carol = journal.createWallet();
  journal.endSegment();
  journal.fund(alice, 1_000_000n);
  for (let count = 0; count < 5; count += 1) {
    journal.transfer(alice, bob, 10_000n);
    journal.transfer(bob, carol, 5_000n);
    journal.endSegment();
  }
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await bed.clear();
  await bed.ingestion.ingest(journal.messages);
});

const last = 14n;

async function findInJournal(from = 1n, to = last): Promise<Finding[]> {
  const findings: Finding[] = [];
  const range = { from, to, toEnd: to === last };
  for await (const progress of verifyJournal(bed.pool, range)) findings.push(...progress.findings);
  return findings;
}

function toVerify(walletId: string, completeTo = last): WalletToVerify {
  return { walletId, completeTo, signal: new AbortController().signal };
}

async function findInWallet(walletId: string): Promise<Finding | undefined> {
  return (await verifyWallet(bed.pool, toVerify(walletId)))?.finding;
}

test("an untouched history is whole, from any position on", async () => {
  for (const from of [1n, 2n, 4n, 5n, 9n, 14n]) expect(await findInJournal(from)).toEqual([]);
  expect(await findInJournal(3n, 8n)).toEqual([]);
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
    expect(await findInWallet(bob)).toMatchObject(named);
    expect(await findInJournal()).toContainEqual(expect.objectContaining(named));
    expect(await findInWallet(alice)).toBeUndefined();
  },
);

test("an entry moved to another event's position is found", async () => {
  await tamper(
    bed,
    (sql) => sql`
    update entries set position = position + 2 where wallet_id = ${bob} and version = 3`,
  );
  expect(await findInWallet(bob)).toMatchObject({ walletId: bob, version: 3n });
  expect(await findInJournal()).toContainEqual(
    expect.objectContaining({ walletId: bob, version: 3n }),
  );
});

test("an entry removed in the middle of a trail is found and named", async () => {
  await tamper(bed, (sql) => sql`delete from entries where wallet_id = ${bob} and version = 4`);
  const description = "This version is missing.";
  expect(await findInWallet(bob)).toMatchObject({ walletId: bob, version: 4n, description });
  expect(await findInJournal()).toEqual([
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
  expect(await findInWallet(bob)).toMatchObject(named);
  expect(await findInJournal()).toEqual([expect.objectContaining(named)]);
});

test("the end of a trail removed together with its events is found and named", async () => {
  await tamper(bed, async (sql) => {
    await sql`delete from entries where position >= 13`;
    await sql`delete from events where position >= 13`;
  });
  expect(await findInWallet(bob)).toMatchObject({
    position: 13n,
    walletId: bob,
    version: 9n,
    description: expect.stringContaining("may have changed the wallet to this version"),
  });
  expect(await findInJournal()).toEqual([
    expect.objectContaining({ position: 13n }),
    expect.objectContaining({ position: 14n }),
  ]);
});

test("a whole wallet removed is found and named", async () => {
  await tamper(bed, (sql) => sql`delete from entries where wallet_id = ${carol}`);
  const named = { position: 3n, walletId: carol, version: 0n };
  expect(await findInWallet(carol)).toMatchObject(named);
  const found = await findInJournal();
  expect(found.map(({ walletId, version }) => [walletId, version])).toEqual(
    [0n, 1n, 2n, 3n, 4n, 5n].map((version) => [carol, version]),
  );
});

test("an event whose bytes were changed is found, with its hash or without", async () => {
  for (const withHash of [false, true]) {
    await tamper(bed, (sql) => {
      const changed = sql`set_byte(bytes, octet_length(bytes) / 2, 88)`;
      return withHash
        ? sql`update events set bytes = ${changed}, hash = sha256(${changed}) where position = 9`
        : sql`update events set bytes = ${changed} where position = 9`;
    });
    expect(await findInWallet(alice)).toMatchObject({ position: 9n, walletId: alice, version: 4n });
    // Bytes that are not those of their hash tell nothing: the entries say whom they concern.
    const named = withHash
      ? { walletId: alice, version: 4n }
      : { description: expect.stringContaining(`wallet ${alice} version 4`) };
    expect(await findInJournal()).toContainEqual(
      expect.objectContaining({ position: 9n, ...named }),
    );
  }
});

test("a change that fits in itself, hash and entries included, breaks its segment's hash", async () => {
  const at9 = Buffer.from(journal.messages[8]?.bytes ?? []);
  const forged = Buffer.from(at9.toString("latin1").replace("request 9", "request X"), "latin1");
  const hash = sha256(forged);
  await tamper(bed, async (sql) => {
    await sql`update events set bytes = ${forged}, hash = ${hash} where position = 9`;
    await sql`update entries set head = ${hash}, request_id = 'request X' where position = 9`;
  });
  const found = await findInJournal();
  expect(found).toContainEqual(
    expect.objectContaining({ position: 9n, description: expect.stringContaining("segment") }),
  );
  // The next event of each wallet still names the head of what was there.
  expect(await findInWallet(alice)).toMatchObject({ walletId: alice, version: 5n });
});

test("the same forgery in a wallet's last event shows in its segment", async () => {
  const at14 = Buffer.from(journal.messages[13]?.bytes ?? []);
  const forged = Buffer.from(at14.toString("latin1").replace("request 14", "request XX"), "latin1");
  const hash = sha256(forged);
  await tamper(bed, async (sql) => {
    await sql`update events set bytes = ${forged}, hash = ${hash} where position = 14`;
    await sql`update entries set head = ${hash}, request_id = 'request XX' where position = 14`;
  });
  const named = { position: 13n, description: expect.stringContaining("segment") };
  expect(await findInJournal()).toEqual([expect.objectContaining(named)]);
  expect(await findInWallet(bob)).toMatchObject({ ...named, walletId: bob, version: 10n });
});

test("a removed event is found, and so are entries without one", async () => {
  await tamper(bed, (sql) => sql`delete from events where position = 6`);
  expect(await findInJournal()).toEqual([
    expect.objectContaining({
      position: 6n,
      description: "The event of this position is missing.",
    }),
    expect.objectContaining({ position: 6n, walletId: carol, version: 1n }),
    expect.objectContaining({ position: 6n, walletId: bob, version: 2n }),
  ]);
  expect(await findInWallet(bob)).toMatchObject({ position: 6n, walletId: bob, version: 2n });
});

test("an invented entry is found, above what is complete too", async () => {
  for (const position of [9, 1_000]) {
    await bed.owner`
      insert into entries
      select wallet_id, 77, ${position}, transaction_id, occurred_at, kind, amount, currency,
        balance, held, status, user_id, request_id, details, hold_id, reverses_transaction_id, head
      from entries where wallet_id = ${alice} and version = 3`;
    expect(await findInJournal()).toEqual([
      expect.objectContaining({ walletId: alice, version: 77n, position: BigInt(position) }),
    ]);
    await tamper(bed, (sql) => sql`delete from entries where version = 77`);
  }
});

test("a changed or removed segment hash is found", async () => {
  await tamper(
    bed,
    (sql) => sql`
    update events set journal_hash = sha256(journal_hash) where position = 8`,
  );
  const changed = await findInJournal();
  expect(changed).toContainEqual(expect.objectContaining({ position: 7n }));
  await bed.clear();
  await bed.ingestion.ingest(journal.messages);
  await tamper(bed, (sql) => sql`update events set journal_hash = null where position = 8`);
  expect(await findInJournal()).toEqual([expect.objectContaining({ position: 7n })]);
});

test("what no segment hash covers is found: with the last hash erased a forgery fits otherwise", async () => {
  await forge(14n, null, (event) => {
    for (const { amount } of event.legs) expect(amount).toBe("0.5000");
    for (const leg of event.legs) leg.amount = "0.7000";
    const [bobs, carols] = event.changes;
    if (bobs) Object.assign(bobs, { amount: "-0.7000", balance: "2.3000" });
    if (carols) Object.assign(carols, { amount: "0.7000", balance: "2.7000" });
  });
  const named = {
    position: 13n,
    description: expect.stringContaining("No journal hash covers the positions 13 to 14"),
  };
  expect(await findInJournal()).toEqual([expect.objectContaining(named)]);
  for (const walletId of [bob, carol]) {
    expect(await findInWallet(walletId)).toMatchObject({ ...named, walletId });
  }
});

test("a history whose hashes are all erased is not whole", async () => {
  await tamper(bed, (sql) => sql`update events set journal_hash = null`);
  const named = {
    position: 1n,
    description: expect.stringContaining("No journal hash covers the positions 1 to 14"),
  };
  expect(await findInJournal()).toEqual([expect.objectContaining(named)]);
  expect(await findInWallet(alice)).toMatchObject({ ...named, walletId: alice });
});

test("a hash above what is looked at covers nothing", async () => {
  await tamper(bed, (sql) => sql`update events set journal_hash = null where position = 12`);
  const description = expect.stringContaining("No journal hash covers the positions 11 to 12");
  expect(await verifyWallet(bed.pool, toVerify(alice, 12n))).toMatchObject({
    finding: { description },
  });
});

test("a journal made anew with a wrong previous_head is found by the chain of heads", async () => {
  await forgeLast((event) => {
    for (const change of event.changes) change.previousHead = sha256(change.previousHead);
  });
  const description = "The event's previous_head is not the head of the version before.";
  expect(await findInJournal()).toContainEqual(
    expect.objectContaining({ position: 14n, walletId: bob, version: 10n, description }),
  );
  expect(await findInWallet(bob)).toMatchObject({ position: 14n, version: 10n, description });
});

test("a journal made anew with a wrong balance is found by the sum of the amounts", async () => {
  await forgeLast((event) => {
    for (const change of event.changes) change.balance = "9.0000";
  });
  expect(await findInWallet(bob)).toMatchObject({
    position: 14n,
    version: 10n,
    description: "The balance before and the amount do not add up to the balance.",
  });
});

test("a journal made anew with a wrong version is found by the count of versions", async () => {
  await forgeLast((event) => {
    for (const change of event.changes) change.version += 1n;
  });
  expect(await findInWallet(bob)).toMatchObject({
    position: 14n,
    version: 10n,
    description: "The event does not change the wallet to this version.",
  });
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
  expect(await findInJournal()).toEqual([expect.objectContaining(named)]);
  expect(await findInWallet(alice)).toMatchObject({ ...named, version: 4n });
});

test("rows that their owner wrote anew with the triggers on are found", async () => {
  await bed.owner`alter table entries alter column request_id type text using 'forged'`;
  const description = expect.stringContaining("request_id is forged");
  expect(await findInJournal()).toContainEqual(expect.objectContaining({ description }));
  expect(await findInWallet(alice)).toMatchObject({ version: 0n, description });
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

/** Changes the last event, and makes the hash of its segment anew. */
async function forgeLast(change: (event: WalletEvent) => void): Promise<void> {
  const event = fromBinary(WalletEventSchema, eventAt(last));
  change(event);
  const forged = toBinary(WalletEventSchema, event);
  const before = journal.messages[11]?.journalHash ?? new Uint8Array();
  const hash = segmentHash(before, 13, [sha256(eventAt(13n)), sha256(forged)]);
  await forge(last, hash, change);
}

/** Changes an event with its hash and its entries, so that they fit each other. */
async function forge(
  position: bigint,
  journalHash: Uint8Array | null,
  change: (event: WalletEvent) => void,
): Promise<void> {
  const event = fromBinary(WalletEventSchema, eventAt(position));
  change(event);
  const bytes = Buffer.from(toBinary(WalletEventSchema, event));
  const hash = sha256(bytes);
  await tamper(bed, async (sql) => {
    await sql`
      update events set bytes = ${bytes}, hash = ${hash}, journal_hash = ${journalHash}
      where position = ${position}`;
    for (const { walletId, amount, balance } of decodeEvent(bytes).entries) {
      await sql`
        update entries set head = ${hash}, amount = ${amount}, balance = ${balance}
        where position = ${position} and wallet_id = ${walletId}`;
    }
  });
}

function eventAt(position: bigint): Uint8Array {
  const message = journal.messages[Number(position) - 1];
  if (message === undefined) throw new Error(`There is no position ${position}.`);
  return message.bytes;
}
