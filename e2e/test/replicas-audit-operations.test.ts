import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type Leg,
  type Reversal,
  type Side,
  SideSchema,
  type WalletChange,
  type WalletEvent,
} from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { type Hold, HoldStatus, WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Audit, auditDatabase, type OwnerSql } from "../src/journal-audit.ts";
import { auditAfter, forgeEvent } from "../src/journal-forgery.ts";
import { type Tour, type TourStop, tourOperations } from "../src/operations-tour.ts";
import { createReplicaBed, type ReplicaBed } from "../src/replica-bed.ts";

const nobody = "00000000-0000-7000-8000-000000000000";

let bed: ReplicaBed;
let tour: Tour;
let audit: Audit;
beforeAll(async () => {
  bed = await createReplicaBed(1);
  tour = await tourOperations(bed.clients[0] ?? expect.fail());
  audit = await auditDatabase(bed.owner);
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

test("every operation leaves a database without findings", () => {
  expect(audit.findings).toEqual([]);
  const kinds = new Set(audit.events.map(({ event }) => event.kind.case));
  expect(kinds.size).toBe(8);
});

test.for<[string, (sql: OwnerSql) => Promise<unknown>, RegExp]>([
  [
    "held money",
    (sql) => sql`update wallets set held = held + 1 where balance > 1`,
    /wallet .*: held is 1.0000/,
  ],
  [
    "a status",
    (sql) => sql`update wallets set status = 'FROZEN' where status = 'ACTIVE'`,
    /status is FROZEN/,
  ],
  ["a limit", (sql) => sql`update wallets set transfer_limit = 1`, /transferLimit is 1.0000/],
  [
    "a hold's amount",
    (sql) => sql`update holds set amount = amount + 1`,
    /hold .*: .* in the table, .* in the journal/,
  ],
  ["a hold's status", (sql) => sql`update holds set status = 'OPEN'`, /hold .*OPEN.* in the table/],
  [
    "a hold's end",
    (sql) => sql`update holds set expire_time = expire_time + interval '1 ms'`,
    /hold .* in the table/,
  ],
  [
    "a hold's version",
    (sql) => sql`update holds set wallet_version = wallet_version + 1`,
    /hold .* in the table/,
  ],
  ["a lost hold", (sql) => sql`delete from holds`, /hold .*: not in the table/],
  [
    "a hold from nowhere",
    (sql) => sql`insert into holds
      select ${nobody}, wallet_id, currency, amount, captured, status, create_time, expire_time,
        wallet_version
      from holds limit 1`,
    /hold 0000.* is not in the journal/,
  ],
  [
    "what was reversed",
    (sql) => sql`update reversals set reversed[1] = 0`,
    /reversal of .*: 0.0000.* in the table/,
  ],
  [
    "how often it was reversed",
    (sql) => sql`update reversals set version = version + 1`,
    /reversal of .* in the table/,
  ],
  ["a lost reversal", (sql) => sql`delete from reversals`, /reversal of .*: not in the table/],
  [
    "a forgotten reference",
    (sql) => sql`delete from account_references`,
    /reference .*: not in the table/,
  ],
  [
    "a reference to another transaction",
    (sql) => sql`update account_references set transaction_id = ${nobody}`,
    /reference .*: 0000.* in the table/,
  ],
  [
    "a reference from nowhere",
    (sql) => sql`insert into account_references values (${nobody}, ${nobody})`,
    /reference 0000.* is not in the journal/,
  ],
  [
    "what is kept beside a wallet",
    (sql) => sql`update wallet_settings set metadata = '{"tier": "silver"}'`,
    /settings of .*silver/,
  ],
  ["lost settings", (sql) => sql`delete from wallet_settings`, /settings of .*: not in the table/],
])("tampering with %s is named", async ([, tamper, finding]) => {
  const { findings } = await auditAfter(bed.owner, tamper);
  expect(findings.join("\n")).toMatch(finding);
});

const forgeries: [TourStop, string, (event: WalletEvent) => void, RegExp][] = [
  ["withdrawal", "no leg", (event) => event.legs.splice(0), /has the legs $/m],
  ["withdrawal", "no account", onLeg(0, { to: account("") }), /no such end/],
  ["withdrawal", "no wallet", onLeg(0, { from: account("bank") }), /a leg has no wallet/],
  ["withdrawal", "another amount", onChange(0, { amount: "-4.0000" }), /get 1.0000 USD together/],
  ["withdrawal", "a status", onChange(0, { status: WalletStatus.FROZEN }), /status FROZEN at/],
  ["split", "a leg to itself", sameSides, /to itself/],
  ["split", "another currency", onLeg(0, { currency: "EUR" }), /a leg in EUR/],
  ["split", "a reference that acted", referenceAgain, /reference salary of .* acted before/],
  ["firstRefund", "more than it moved", onReversed(0, "91.0000"), /91.0000 of leg 0 is taken back/],
  ["lastRefund", "more than was left", onReversed(0, "61.0000"), /91.0000 of leg 0 is taken back/],
  ["lastRefund", "less than its legs", onReversed(1, "5.0000"), /its legs do not take back 5.0000/],
  ["lastRefund", "nothing", onReversed(1, "0.0000"), /takes back 0.0000 of leg 1/],
  ["lastRefund", "no part", onReversal(({ legs }) => legs.splice(0)), /it takes nothing back/],
  ["lastRefund", "one part twice", onReversal(({ legs }) => legs.reverse()), /stands behind leg/],
  ["lastRefund", "one leg more", (event) => event.legs.push(...event.legs), /moves more than/],
  ["lastRefund", "another one's transaction", toTransaction(nobody), /no such transaction/],
  ["lastRefund", "a reversal reversed", reverseFirstRefund, /it is a reversal itself/],
  ["shortfall", "too little", onLeg(1, { amount: "4.0000" }), /do not take back 7.0000 of leg 0/],
  ["shortfall", "a hold", addHold, /is a capture and a reversal/],
  ["placed", "no hold", dropHold, /holdPlaced has no hold/],
  ["placed", "more set aside", onHold({ amount: "61.0000" }), /held is 60.0000 .* 61.0000 by/],
  ["placed", "more captured", onHold({ captured: "1.0000" }), /not placed as a new one/],
  ["placed", "an ended hold", onHold({ status: HoldStatus.RELEASED }), /not placed as a new/],
  ["placed", "another time", onHold({ createTime: timestampFromMs(1) }), /not placed when/],
  ["placed", "an early end", onHold({ expireTime: timestampFromMs(1) }), /before it is placed/],
  ["placed", "another rest", onHold({ remaining: "1.0000" }), /1.0000 remains, not 60.0000/],
  ["placed", "another wallet", onHold({ walletId: nobody }), /its wallet 0000.* does not change/],
  ["keptCapture", "less captured", onHold({ captured: "1.0000" }), /1.0000 captured, legs 25.00/],
  ["keptCapture", "an unknown hold", onHold({ id: nobody }), /it was never placed/],
  ["keptCapture", "another amount", onHold({ amount: "70.0000" }), /its units was 600000, now/],
  ["keptCapture", "no hold", dropHold, /held is 35.0000 .* 60.0000 by/],
  ["keptCapture", "a release", onHold({ status: HoldStatus.RELEASED }), /RELEASED at its capture/],
  ["keptCapture", "another payer", payBySomebody, /a capture pays out of another wallet/],
  ["keptCapture", "more held", onChange(0, { held: "60.0000" }), /held is 60.0000 .* 35.0000 by/],
  ["capture", "a late time", onHold({ expireTime: timestampFromMs(2) }), /captured after its time/],
  ["capture", "an open end", onHold({ status: HoldStatus.OPEN }), /10.0000 by its open holds/],
  ["released", "a capture", onHold({ captured: "1.0000" }), /its release captures/],
  ["released", "an early expiry", onHold({ status: HoldStatus.EXPIRED }), /before its time/],
  ["released", "no end", onHold({ status: HoldStatus.OPEN }), /is OPEN after its release/],
  [
    "expired",
    "money",
    (event) => event.legs.push(...eventAt("split").legs),
    /holdReleased has the legs/,
  ],
  ["limited", "no settings", dropSettings, /walletUpdated has no settings/],
  ["limited", "another limit", limitTo("99.0000"), /100.0000 leave it, at most 99.0000/],
  ["limited", "other metadata", forgetMetadata, /settings of .*gold/],
  ["frozen", "no status", onChange(0, { status: WalletStatus.UNSPECIFIED }), /status 0 at/],
  ["unfrozen", "no change", onChange(0, { status: WalletStatus.FROZEN }), /pays while frozen/],
  ["sweep", "money left", onChange(0, { balance: "1.0000" }), /closed with 1.0000/],
  ["sweep", "an open end", onChange(0, { status: WalletStatus.ACTIVE }), /has the legs walletId→/],
  ["frozen", "an early end", onChange(0, { status: WalletStatus.CLOSED }), /changes after its end/],
];

test.for(forgeries)("%s forged with %s gives itself away", async ([stop, , forge, finding]) => {
  const { findings } = await auditAfter(bed.owner, (sql) =>
    forgeEvent(sql, audit.events, tour[stop], forge),
  );
  expect(findings.join("\n")).toMatch(finding);
});

function account(value: string): Side {
  return create(SideSchema, { side: { case: "account", value } });
}

function eventAt(stop: TourStop): WalletEvent {
  const found = audit.events.find(({ position }) => position === tour[stop]);
  return found?.event ?? expect.fail();
}

function onLeg(index: number, forged: Partial<Leg>): (event: WalletEvent) => void {
  return ({ legs }) => void Object.assign(legs[index] ?? expect.fail(), forged);
}

function onChange(index: number, forged: Partial<WalletChange>): (event: WalletEvent) => void {
  return ({ changes }) => void Object.assign(changes[index] ?? expect.fail(), forged);
}

function onHold(forged: Partial<Hold>): (event: WalletEvent) => void {
  return ({ kind }) => {
    const hold = kind.case !== undefined && "hold" in kind.value ? kind.value.hold : undefined;
    Object.assign(hold ?? expect.fail(), forged);
  };
}

function onReversal(forge: (reversal: Reversal) => unknown): (event: WalletEvent) => void {
  return ({ kind }) => {
    if (kind.case !== "transactionPosted") expect.fail();
    forge(kind.value.reversal ?? expect.fail());
  };
}

function onReversed(index: number, amount: string): (event: WalletEvent) => void {
  return onReversal(({ legs }) => Object.assign(legs[index] ?? expect.fail(), { amount }));
}

function toTransaction(transactionId: string): (event: WalletEvent) => void {
  return onReversal((reversal) => Object.assign(reversal, { transactionId }));
}

function reverseFirstRefund(event: WalletEvent): void {
  toTransaction(eventAt("firstRefund").transactionId)(event);
}

function sameSides({ legs }: WalletEvent): void {
  for (const leg of legs) if (leg.from) leg.to = leg.from;
}

function referenceAgain(event: WalletEvent): void {
  const [funding] = audit.events.filter(({ event: { kind } }) => kind.case === "walletFunded");
  event.legs = funding?.event.legs ?? [];
  event.details = funding?.event.details ?? expect.fail();
}

function addHold({ kind }: WalletEvent): void {
  const placed = eventAt("placed").kind;
  if (kind.case !== "transactionPosted" || placed.case !== "holdPlaced") expect.fail();
  kind.value.hold = placed.value.hold ?? expect.fail();
}

function dropHold({ kind }: WalletEvent): void {
  if (kind.case !== undefined && "hold" in kind.value) delete kind.value.hold;
}

function payBySomebody({ legs }: WalletEvent): void {
  const somebody = eventAt("split").legs[1]?.from;
  Object.assign(legs[0] ?? expect.fail(), { from: somebody });
}

function dropSettings({ kind }: WalletEvent): void {
  if (kind.case === "walletUpdated") delete kind.value.settings;
}

function limitTo(singleTransferMax: string): (event: WalletEvent) => void {
  return ({ kind }) => {
    const settings = kind.case === "walletUpdated" ? kind.value.settings : undefined;
    Object.assign(settings?.limits ?? expect.fail(), { singleTransferMax });
  };
}

function forgetMetadata({ kind }: WalletEvent): void {
  const settings = kind.case === "walletUpdated" ? kind.value.settings : undefined;
  Object.assign(settings ?? expect.fail(), { metadata: {} });
}
