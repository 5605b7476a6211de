import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Leg, WalletChange, WalletEvent } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type Audit,
  auditDatabase,
  type JournalEvent,
  type OwnerSql,
} from "../src/journal-audit.ts";
import { auditAfter, forgeEvent } from "../src/journal-forgery.ts";
import { createLedger } from "../src/ledger.ts";
import { runLoad } from "../src/load.ts";
import { createReplicaBed, type ReplicaBed } from "../src/replica-bed.ts";
import { createWalletCaller } from "../src/wallet-caller.ts";

const seed = 4;
const nobody = "00000000-0000-7000-8000-000000000000";

let bed: ReplicaBed;
let audit: Audit;

beforeAll(async () => {
  bed = await createReplicaBed(1);
  const caller = createWalletCaller(bed.clients, createLedger());
  const size = { callers: 4, sharedWallets: 4, durationMs: 1_500 };
  await runLoad({ ...size, caller, replicas: 1, seed, repeats: false });
  audit = await auditDatabase(bed.owner);
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

test("an honest database has no findings", () => {
  expect(audit.findings).toEqual([]);
  expect(audit.segments).toBeGreaterThan(3);
});

test.for<[string, (sql: OwnerSql) => Promise<unknown>, RegExp]>([
  ["a balance", (sql) => sql`update wallets set balance = balance + 1`, /wallet .*: balance is/],
  ["a version", (sql) => sql`update wallets set version = version + 1`, /wallet .*: version is/],
  ["a head", (sql) => sql`update wallets set head = sha256(head)`, /wallet .*: head is/],
  ["an owner", (sql) => sql`update wallets set user_id = 'thief'`, /wallet .*: userId is thief/],
  ["a currency", (sql) => sql`update wallets set currency = 'EUR'`, /wallet .*: currency is EUR/],
  [
    "a creation's time",
    (sql) => sql`update wallets set create_time = create_time - interval '1 ms'`,
    /wallet .*: createTime is/,
  ],
  ["a change's time", (sql) => sql`update wallets set update_time = now()`, /updateTime is/],
  [
    "a lost wallet",
    (sql) => sql`delete from wallets where id = (select min(id::text)::uuid from wallets)`,
    /wallet .*: not in the table, last changed at position/,
  ],
  [
    "a wallet from nowhere",
    (sql) => sql`insert into wallets (id, user_id, currency, balance, held, status, version, head,
        create_time, update_time)
      select ${nobody}, user_id, currency, 5, 0, status, 0, head, create_time, update_time
      from wallets limit 1`,
    /in the table, not in the journal/,
  ],
  [
    "a hash",
    (sql) => sql`update journal set hash = sha256(hash) where first_position = 1`,
    /position 1: the chain of hashes is broken/,
  ],
  [
    "a removed segment",
    (sql) => sql`delete from journal where first_position = (select first_position from journal
        order by first_position offset 1 limit 1)`,
    /position \d+: the journal goes on at \d+/,
  ],
  [
    "a removed last segment",
    (sql) =>
      sql`delete from journal where first_position = (select max(first_position) from journal)`,
    /wallet .*: (version is|in the table, not in the journal)/,
  ],
  [
    "a gap in the positions",
    (sql) => sql`update journal set first_position = first_position + 1000000
      where first_position >= (select first_position from journal
        order by first_position offset 1 limit 1)`,
    /position 1\d+: the journal goes on at/,
  ],
  [
    "a wrong count",
    (sql) => sql`update journal set event_count = event_count + 1 where first_position = 1`,
    /position 1: event_count is/,
  ],
  [
    "bytes behind the events",
    (sql) => sql`update journal set events = events || '\\x7f'::bytea where first_position = 1`,
    /position 1: 1 bytes behind the last event/,
  ],
  [
    "a changed byte of an event",
    (sql) => sql`update journal set events = set_byte(events, length(events) - 10, 1)
      where first_position = (select first_position from journal
        order by first_position offset 1 limit 1)`,
    /position \d+: the chain of hashes is broken/,
  ],
  [
    "a segment's id",
    (sql) => sql`update journal set segment_id = ${nobody} where first_position = 1`,
    /position 1: transaction .*, not 00000000/,
  ],
  [
    "a forgotten request key",
    (sql) => sql`delete from request_keys where ctid = (select min(ctid) from request_keys)`,
    /position \d+: the key of request_id .* names undefined/,
  ],
  [
    "a request key without its transaction",
    (sql) => sql`insert into request_keys (key, fingerprint, transaction_id)
      select ${nobody}, fingerprint, transaction_id from request_keys limit 1`,
    /request key 0000.*: its transaction .* is not in the journal/,
  ],
])("tampering with %s is named", async ([, tamper, finding]) => {
  const { findings } = await auditAfter(bed.owner, tamper);
  expect(findings.join("\n")).toMatch(finding);
});

test.for<[string, (event: WalletEvent) => void, RegExp]>([
  ["another amount", onLeg({ amount: "0.0001" }), /replayed from the legs/],
  ["an amount of nothing", onLeg({ amount: "0.0000" }), /a leg has the amount 0.0000/],
  ["another currency", onLeg({ currency: "EUR" }), /a leg in EUR/],
  ["a version too high", onChange({ version: 1_000n }), /version 1000 comes where/],
  ["another balance", onChange({ balance: "1.0000" }), /balance 1.0000/],
  ["held money", onChange({ held: "1.0000" }), /held is 1.0000/],
  ["another owner", onChange({ userId: "thief" }), /of thief/],
  ["a change that is no sum", onChange({ amount: "7.0000" }), /is 7.0000, the legs say/],
  ["no previous head", onChange({ previousHead: new Uint8Array() }), /previous_head of version/],
  ["a status", onChange({ status: WalletStatus.UNSPECIFIED }), /status 0/],
  [
    "another transaction id",
    (event) => Object.assign(event, { transactionId: nobody }),
    /transaction 0/,
  ],
  [
    "another request_id",
    (event) => Object.assign(event, { requestId: "forged" }),
    /request_id forged/,
  ],
  [
    "an earlier time",
    (event) => Object.assign(event, { occurredAt: timestampFromMs(1) }),
    /happened before/,
  ],
  ["no time", (event) => Object.assign(event, { occurredAt: undefined }), /no occurred_at/],
  [
    "another kind",
    (event) => Object.assign(event.kind, { case: "walletFunded" }),
    /walletFunded has/,
  ],
  ["no kind", (event) => Object.assign(event.kind, { case: undefined }), /has no kind/],
  ["its changes turned round", (event) => event.changes.reverse(), /the changes name/],
  ["one change only", (event) => event.changes.pop(), /has 1 changes/],
])("an event forged with %s gives itself away", async ([, forge, finding]) => {
  const { position } = transferWithKey();
  const { findings } = await auditAfter(bed.owner, (sql) =>
    forgeEvent(sql, audit.events, position, forge),
  );
  const named = findings.filter((each) => each.startsWith(`position ${position}:`));
  expect(named.join("\n")).toMatch(finding);
});

function onLeg(forged: Partial<Leg>): (event: WalletEvent) => void {
  return ({ legs }) => legs.forEach((leg) => void Object.assign(leg, forged));
}

function onChange(forged: Partial<WalletChange>): (event: WalletEvent) => void {
  return ({ changes }) => changes.forEach((change) => void Object.assign(change, forged));
}

function transferWithKey(): JournalEvent {
  const found = audit.events.find(
    ({ event }) => event.kind.case === "transferCompleted" && event.requestId !== "",
  );
  if (found === undefined) throw new Error("The run made no transfer with a request_id.");
  return found;
}
