import { randomUUID } from "node:crypto";
import { clone } from "@bufbuild/protobuf";
import { WalletSchema } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Audit, auditDatabase } from "../src/journal-audit.ts";
import { type Attempt, createLedger, type Ledger, type Outcome } from "../src/ledger.ts";
import { auditLedger } from "../src/ledger-audit.ts";
import { runLoad } from "../src/load.ts";
import { createReplicaBed, type ReplicaBed } from "../src/replica-bed.ts";
import { createWalletCaller, type TransferOrder } from "../src/wallet-caller.ts";

const seed = 4;
const longAgoMs = 1;

let bed: ReplicaBed;
let ledger: Ledger;
let audit: Audit;

beforeAll(async () => {
  bed = await createReplicaBed(1);
  ledger = createLedger();
  const caller = createWalletCaller(bed.clients, ledger);
  const size = { callers: 4, sharedWallets: 4, durationMs: 1_500 };
  await runLoad({ ...size, caller, replicas: 1, seed, repeats: false });
  audit = await auditDatabase(bed.owner);
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

test("honest answers have no findings", () => {
  expect(auditLedger(audit, ledger, new Set())).toEqual([]);
});

test.for<[string, (attempt: Attempt) => Attempt[], RegExp]>([
  [
    "a transaction that is not there",
    (attempt) => [answeredWith(attempt, { transactionId: randomUUID() })],
    /acknowledged, not in the journal/,
  ],
  [
    "another position",
    (attempt) => [answeredWith(attempt, { position: 1n })],
    /position 1: transaction .*: stands at position \d+/,
  ],
  [
    "another time",
    (attempt) => [answeredWith(attempt, { occurredAtMs: longAgoMs })],
    /occurred_at is 1, in the event/,
  ],
  [
    "another balance",
    (attempt) => [withBalance(attempt)],
    /answered wallet .*: ACTIVE with 9.0000 USD/,
  ],
  [
    "one transaction for two requests",
    (attempt) => [attempt, withOrder(attempt, { requestId: randomUUID() })],
    /acknowledged to two requests/,
  ],
  [
    "another amount",
    (attempt) => [withOrder(attempt, { units: 1n })],
    /position \d+: nobody ordered transferCompleted/,
  ],
  ["silence", () => [], /position \d+: nobody ordered/],
  [
    "a fault that no caller may see",
    (attempt) => [attempt, { ...attempt, outcome: faultOf("INTERNAL") }],
    /replica 0 answered Unavailable\/INTERNAL/,
  ],
  [
    "nothing done, though it was",
    (attempt) => [{ ...attempt, outcome: faultOf("DATABASE_UNAVAILABLE") }],
    /acted though no attempt says so/,
  ],
  [
    "an answer before the transaction",
    (attempt) => [{ ...attempt, startMs: longAgoMs, endMs: longAgoMs }],
    /acted though no attempt says so/,
  ],
  [
    "a refusal behind its acknowledgement",
    (attempt) => [attempt, { ...refused(attempt), startMs: Date.now(), endMs: Date.now() }],
    /refused with INSUFFICIENT_BALANCE after it was acknowledged/,
  ],
  [
    "a refusal that no balance justifies",
    (attempt) => [attempt, withOrder(refused(attempt), { requestId: randomUUID(), units: 0n })],
    /wallet .* had .* or more all the time \(version \d+, position \d+\)/,
  ],
  [
    "a version conflict without a version",
    (attempt) => [attempt, withOrder(refused(attempt, "VERSION_CONFLICT"), { requestId: "" })],
    /nothing justifies this reason/,
  ],
  [
    "an unknown wallet that is there",
    (attempt) => [attempt, withOrder(refused(attempt, "WALLET_NOT_FOUND"), { requestId: "" })],
    /nothing justifies this reason/,
  ],
  [
    "a reused request_id that was accepted",
    (attempt) => [attempt, withOrder(attempt, { reusesRequestId: true })],
    /accepted with other input than before/,
  ],
  [
    "a version that was not expected",
    (attempt) => [withOrder(attempt, { expectedVersion: 1_000n })],
    /although 1000 was expected before/,
  ],
])("answering with %s is named", ([, tamper, finding]) => {
  const victim = transferAnswered();
  const attempts = ledger.attempts.flatMap((each) => (each === victim ? tamper(each) : [each]));
  const findings = auditLedger(audit, { ...ledger, attempts }, new Set());
  expect(findings.join("\n")).toMatch(finding);
});

test("an order acknowledged before another was sent, yet behind it, is named", () => {
  const victim = transferAnswered();
  const early = { ...victim, startMs: longAgoMs, endMs: longAgoMs };
  const attempts = ledger.attempts.map((each) => (each === victim ? early : each));
  const findings = auditLedger(audit, { ...ledger, attempts }, new Set());
  expect(findings.join("\n")).toMatch(/position \d+: .*, sent after \d+ was answered/);
});

test.for<[string, { version: bigint } | { balance: string }, RegExp]>([
  ["an old version", { version: 0n }, /read on replica 0: version 0, after version \d+ was/],
  ["a version that never was", { version: 1_000_000n }, /version 1000000 is not in the journal/],
  [
    "another balance",
    { balance: "9.0000" },
    /9.0000, held 0.0000, ACTIVE at version \d+, which has/,
  ],
])("reading %s is named", ([, wrong, finding]) => {
  const readings = ledger.readings.map((reading) => ({
    ...reading,
    wallet: reading.wallet && { ...reading.wallet, ...wrong },
  }));
  const findings = auditLedger(audit, { ...ledger, readings }, new Set());
  expect(findings.join("\n")).toMatch(finding);
});

/** An acknowledged transfer with a request_id, sent once. */
function transferAnswered(): Attempt & { readonly order: TransferOrder } {
  const sent = new Map<string, number>();
  for (const { order } of ledger.attempts) {
    sent.set(order.requestId, (sent.get(order.requestId) ?? 0) + 1);
  }
  for (const attempt of ledger.attempts) {
    const { order, outcome } = attempt;
    if (order.kind !== "transfer" || order.expectedVersion !== undefined) continue;
    if ("acknowledged" in outcome && sent.get(order.requestId) === 1) {
      return Object.assign(attempt, { order });
    }
  }
  throw new Error("The run made no transfer of this kind.");
}

type Acknowledged = Extract<Outcome, { acknowledged: unknown }>["acknowledged"];

function answeredWith(attempt: Attempt, wrong: Partial<Acknowledged>): Attempt {
  if (!("acknowledged" in attempt.outcome)) throw new Error("This attempt was not acknowledged.");
  return { ...attempt, outcome: { acknowledged: { ...attempt.outcome.acknowledged, ...wrong } } };
}

function withBalance(attempt: Attempt): Attempt {
  if (!("acknowledged" in attempt.outcome)) throw new Error("This attempt was not acknowledged.");
  const wallets = attempt.outcome.acknowledged.wallets.map((wallet) =>
    Object.assign(clone(WalletSchema, wallet), { balance: "9.0000", available: "9.0000" }),
  );
  return answeredWith(attempt, { wallets });
}

function withOrder(attempt: Attempt, wrong: Partial<TransferOrder>): Attempt {
  if (attempt.order.kind !== "transfer") throw new Error("This attempt is no transfer.");
  return { ...attempt, order: { ...attempt.order, ...wrong } };
}

function refused(attempt: Attempt, reason = "INSUFFICIENT_BALANCE"): Attempt {
  return { ...attempt, outcome: { refused: reason } };
}

function faultOf(reason: string): Outcome {
  return { fault: { code: "Unavailable", reason, message: "" } };
}
