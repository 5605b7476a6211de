import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { type WalletEvent, WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { decodeEvent } from "../src/history-entry.ts";
import { verifyWallet } from "../src/wallet-verification.ts";
import { segmentHash, sha256 } from "./journal-maker.ts";
import {
  findInJournal,
  findInWallet,
  last,
  makeJournalToVerify,
  toVerify,
} from "./journal-to-verify.ts";
import { createHistoryBed, type HistoryBed, tamper } from "./test-history.ts";

// What somebody changes who knows the hashes, and makes some of them anew.

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

test("an event whose bytes were changed is found, with its hash or without", async () => {
  for (const withHash of [false, true]) {
    await tamper(bed, (sql) => {
      const changed = sql`set_byte(bytes, octet_length(bytes) / 2, 88)`;
      return withHash
        ? sql`update events set bytes = ${changed}, hash = sha256(${changed}) where position = 9`
        : sql`update events set bytes = ${changed} where position = 9`;
    });
    expect(await findInWallet(bed, alice)).toMatchObject({
      position: 9n,
      walletId: alice,
      version: 4n,
    });
    // Bytes that are not those of their hash tell nothing: the entries say whom they concern.
    const named = withHash
      ? { walletId: alice, version: 4n }
      : { description: expect.stringContaining(`wallet ${alice} version 4`) };
    expect(await findInJournal(bed)).toContainEqual(
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
  const found = await findInJournal(bed);
  expect(found).toContainEqual(
    expect.objectContaining({ position: 9n, description: expect.stringContaining("segment") }),
  );
  // The next event of each wallet still names the head of what was there.
  expect(await findInWallet(bed, alice)).toMatchObject({ walletId: alice, version: 5n });
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
  expect(await findInJournal(bed)).toEqual([expect.objectContaining(named)]);
  expect(await findInWallet(bed, bob)).toMatchObject({ ...named, walletId: bob, version: 10n });
});

test("a changed or removed segment hash is found", async () => {
  await tamper(
    bed,
    (sql) => sql`
    update events set journal_hash = sha256(journal_hash) where position = 8`,
  );
  const changed = await findInJournal(bed);
  expect(changed).toContainEqual(expect.objectContaining({ position: 7n }));
  await bed.clear();
  await bed.ingestion.ingest(journal.messages);
  await tamper(bed, (sql) => sql`update events set journal_hash = null where position = 8`);
  expect(await findInJournal(bed)).toEqual([expect.objectContaining({ position: 7n })]);
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
  expect(await findInJournal(bed)).toEqual([expect.objectContaining(named)]);
  for (const walletId of [bob, carol]) {
    expect(await findInWallet(bed, walletId)).toMatchObject({ ...named, walletId });
  }
});

test("a history whose hashes are all erased is not whole", async () => {
  await tamper(bed, (sql) => sql`update events set journal_hash = null`);
  const named = {
    position: 1n,
    description: expect.stringContaining("No journal hash covers the positions 1 to 14"),
  };
  expect(await findInJournal(bed)).toEqual([expect.objectContaining(named)]);
  expect(await findInWallet(bed, alice)).toMatchObject({ ...named, walletId: alice });
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
  expect(await findInJournal(bed)).toContainEqual(
    expect.objectContaining({ position: 14n, walletId: bob, version: 10n, description }),
  );
  expect(await findInWallet(bed, bob)).toMatchObject({ position: 14n, version: 10n, description });
});

test("a journal made anew with a wrong balance is found by the sum of the amounts", async () => {
  await forgeLast((event) => {
    for (const change of event.changes) change.balance = "9.0000";
  });
  expect(await findInWallet(bed, bob)).toMatchObject({
    position: 14n,
    version: 10n,
    description: "The balance before and the amount do not add up to the balance.",
  });
});

test("a journal made anew with a wrong version is found by the count of versions", async () => {
  await forgeLast((event) => {
    for (const change of event.changes) change.version += 1n;
  });
  expect(await findInWallet(bed, bob)).toMatchObject({
    position: 14n,
    version: 10n,
    description: "The event does not change the wallet to this version.",
  });
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
