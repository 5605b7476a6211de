import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { inMs, type OperationBed, startOperationBed, transactionOf } from "./rest-operation.ts";
import type { WalletView } from "./rest-service.ts";

let bed: OperationBed;
let alice: WalletView;
let bob: WalletView;
let paths: string[];

beforeAll(async () => {
  bed = await startOperationBed();
  alice = await bed.wallet("alice", "1000000");
  bob = await bed.wallet("bob", "1000000");
  const { id } = await bed.hold(alice, "500");
  const withdraw = { path: `/wallets/${alice.id}/withdraw`, body: { amount: "5" } };
  const paid = transactionOf(await bed.done(withdraw));
  paths = [
    "/transactions",
    `/transactions/${paid}/reverse`,
    `/holds/${id}/capture`,
    `/holds/${id}/release`,
    ...["fund", "withdraw", "transfer", "holds", "freeze", "unfreeze", "close", ""].map(
      (operation) => `/wallets/${alice.id}/${operation}`,
    ),
  ];
});

afterAll(() => bed[Symbol.asyncDispose]());

const text = fc.string({ unit: "binary", maxLength: 60 });
const value = fc.oneof(text, fc.double(), fc.jsonValue(), fc.constant("1"), fc.constant("0.01"));
const walletId = fc.oneof(
  { weight: 3, arbitrary: fc.boolean().map((first) => (first ? alice.id : bob.id)) },
  fc.uuid(),
  value,
);
const account = fc.oneof(fc.constantFrom("bank", "fees", "external", "nowhere"), value);
const side = fc.oneof(fc.record({ wallet_id: walletId, account }, { requiredKeys: [] }), value);
const leg = fc.record(
  { from: side, to: side, amount: value, index: fc.oneof(fc.integer(), fc.constant(0)) },
  { requiredKeys: [] },
);
const instant = fc.oneof(
  fc.constant(inMs(60_000)),
  fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
  value,
);
const pairs = fc.oneof(fc.dictionary(text, fc.oneof(text, value)), value);
const body = fc.record(
  {
    amount: value,
    to_wallet_id: walletId,
    source: account,
    destination: account,
    legs: fc.oneof(fc.array(leg, { maxLength: 4 }), value),
    payments: fc.oneof(fc.array(leg, { maxLength: 3 }), value),
    keep_remaining: fc.oneof(fc.boolean(), value),
    expire_time: instant,
    expected_versions: fc.array(fc.record({ wallet_id: walletId, version: fc.integer() })),
    exchange: fc.oneof(fc.record({ rate: value, quote_id: value }, { requiredKeys: [] }), value),
    shortfall_account: account,
    scope: fc.oneof(fc.constantFrom("ALL", "OUTGOING"), value),
    sweep_to: side,
    reason: value,
    reference: value,
    description: value,
    metadata: pairs,
    limits: fc.oneof(fc.record({ single_transfer_max: value }, { requiredKeys: [] }), value),
  },
  { requiredKeys: [] },
);

test("whatever JSON an operation is given, the answer is no fault", async () => {
  const statuses = new Set<number>();
  const property = fc.asyncProperty(fc.nat(), body, async (index, sent) => {
    const path = paths[index % paths.length]?.replace(/\/$/, "") ?? "";
    const method = path.endsWith(alice.id) ? "PATCH" : "POST";
    const answer = await bed.send(method, path, JSON.stringify(sent));
    statuses.add(answer.status);
    expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(500);
    if (answer.status < 400) return;
    expect(answer.body).toMatchObject({ detail: expect.stringMatching(/./) });
  });
  await fc.assert(property, { numRuns: 1_500 });
  // Fields that are all wrong would say little about what is behind the first check.
  expect([...statuses]).toEqual(expect.arrayContaining([200, 400]));
});
