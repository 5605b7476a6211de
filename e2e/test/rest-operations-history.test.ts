import { afterAll, beforeAll, expect, test } from "vitest";
import { type RestHistoryBed, startRestHistoryBed } from "./rest-history-bed.ts";
import { holdOf, inMs, transactionOf } from "./rest-operation.ts";
import { expectProblem, type RestAnswer } from "./rest-service.ts";

// What history shows of the operations, over REST.

let bed: RestHistoryBed;
let rest: RestHistoryBed["rest"];
let alice: string;
let shop: string;
let holdId: string;
let placed: RestAnswer;
let captured: RestAnswer;
let refunded: RestAnswer;
let last: RestAnswer;

const captureDetails = {
  reference: "=order-7",
  description: "A table, oak",
  metadata: { shop: "12", constructor: "none" },
};
const noDetails = { reference: "", description: "", metadata: {} };

beforeAll(async () => {
  bed = await startRestHistoryBed();
  ({ rest } = bed);
  await makeOperations();
});

afterAll(() => bed[Symbol.asyncDispose]());

/** A card payment with a partial capture and a refund, then a freeze and a note at the wallet. */
async function makeOperations(): Promise<void> {
  alice = (await rest.wallet("alice", "100")).id;
  shop = (await rest.wallet("shop")).id;
  const expire_time = inMs(3_600_000);
  placed = await post(`/wallets/${alice}/holds`, { amount: "60", expire_time });
  holdId = holdOf(placed).id;
  const payments = [
    { to: { wallet_id: shop }, amount: "24" },
    { to: { account: "fees" }, amount: "1" },
  ];
  captured = await post(`/holds/${holdId}/capture`, { payments, ...captureDetails });
  const reverse = `/transactions/${transactionOf(captured)}/reverse`;
  refunded = await post(reverse, { legs: [{ index: 0, amount: "4" }], reference: "refund" });
  await post(`/wallets/${alice}/freeze`, { scope: "OUTGOING", reason: "lost phone" });
  last = await rest.send("PATCH", `/wallets/${alice}`, { metadata: { tier: "gold" } });
}

async function post(path: string, body: object): Promise<RestAnswer> {
  const answer = await rest.send("POST", path, body);
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300);
  return answer;
}

function positionOf({ headers }: RestAnswer): string {
  return headers.get("position") ?? "";
}

async function read(path: string, query: Record<string, string> = {}): Promise<RestAnswer> {
  const whole = { ...query, min_position: positionOf(last) };
  const answer = await rest.send("GET", `${path}?${new URLSearchParams(whole)}`);
  expect(answer.status, JSON.stringify(answer.body)).toBe(200);
  return answer;
}

test("entries show kind, details, and the hold or the transaction that they are about", async () => {
  const { body } = await read(`/wallets/${alice}/history`, { direction: "oldest" });
  const none = { hold_id: "", reverses_transaction_id: "" };
  const reverses_transaction_id = transactionOf(captured);
  expect(body).toMatchObject([
    { kind: "wallet_created", ...noDetails, ...none },
    { kind: "wallet_funded", ...noDetails, ...none },
    { kind: "hold_placed", held: "60.0000", available: "40.0000", hold_id: holdId },
    { kind: "transaction_posted", amount: "-25.0000", hold_id: holdId, ...captureDetails },
    { kind: "transaction_posted", amount: "4.0000", reverses_transaction_id, reference: "refund" },
    { kind: "wallet_status_changed", status: "FROZEN_OUTGOING", ...none },
    { kind: "wallet_updated", ...noDetails, ...none },
  ]);
  const only = await read(`/wallets/${alice}/history`, { kind: "hold_placed,wallet_updated" });
  expect(only.body).toMatchObject([{ kind: "wallet_updated" }, { kind: "hold_placed" }]);
});

test("a capture is shown with its hold, and with what took it back", async () => {
  const { body } = await read(`/transactions/${transactionOf(captured)}`);
  expect(body).toMatchObject({
    kind: "transaction_posted",
    ...captureDetails,
    legs: [
      { to: { wallet_id: shop }, amount: "24.0000" },
      { to: { account: "fees" }, amount: "1.0000" },
    ],
    hold: { id: holdId, status: "CAPTURED", captured: "25.0000", remaining: "0.0000" },
    reversed_by: [
      {
        transaction_id: transactionOf(refunded),
        position: Number(positionOf(refunded)),
        legs: [{ index: 0, amount: "4.0000" }],
      },
    ],
  });
  expect(body).not.toHaveProperty("reversal");
});

test("a reversal, a hold, a freeze and a note are shown with what they are", async () => {
  const shown = async (answer: RestAnswer): Promise<unknown> =>
    (await read(`/transactions/${transactionOf(answer)}`)).body;
  const legs = [{ index: 0, amount: "4.0000" }];
  expect(await shown(refunded)).toMatchObject({
    reversal: { transaction_id: transactionOf(captured), legs },
    reversed_by: [],
  });
  expect(await shown(placed)).toMatchObject({ kind: "hold_placed", hold: placed.body, legs: [] });
  expect(await shown(last)).toMatchObject({ settings: { metadata: { tier: "gold" } } });
  const [frozen] = Object(
    (await read(`/wallets/${alice}/history`, { kind: "wallet_status_changed" })).body,
  );
  expect((await read(`/transactions/${frozen.transaction_id}`)).body).toMatchObject({
    reason: "lost phone",
  });
});

test("an exchange is shown with its rate", async () => {
  const euros = await rest.wallet("erik", "10", "EUR");
  const body = {
    legs: [
      { from: { wallet_id: euros.id }, to: { account: "fx" }, amount: "10" },
      { from: { account: "fx" }, to: { wallet_id: shop }, amount: "10.842" },
    ],
    exchange: { rate: "1.0842", quote_id: "quote-7" },
  };
  const answer = await post("/transactions", body);
  const path = `/transactions/${transactionOf(answer)}?min_position=${positionOf(answer)}`;
  expect((await rest.send("GET", path)).body).toMatchObject({ exchange: body.exchange });
});

test("a statement lists the operations, and as CSV has their columns at the end", async () => {
  const period = { from: "2020-01-01", to: "2100-01-01" };
  const json = await read(`/wallets/${alice}/statement`, period);
  expect(json.body).toMatchObject({
    entry_count: 7,
    total_in: "104.0000",
    total_out: "25.0000",
    closing_balance: "79.0000",
  });
  const csv = await read(`/wallets/${alice}/statement`, { ...period, format: "csv" });
  const rows = String(csv.body).split("\r\n");
  expect(rows[0]).toMatch(/,user_id,reference,description,metadata,hold_id,reverses_transac/);
  const capture = rows.find((row) => row.includes(transactionOf(captured)));
  expect(capture).toMatch(
    `,"'=order-7","A table, oak","{""shop"":""12"",""constructor"":""none""}",${holdId},`,
  );
  const refund = rows.find((row) => row.endsWith(`,${transactionOf(captured)},,,`));
  expect(refund).toContain(`"refund",,,,${transactionOf(captured)}`);
});

test("an account adds up exactly, now, at a position and at an instant", async () => {
  const total = async (query: Record<string, string>): Promise<unknown> =>
    (await read("/accounts/fees/total", { currency: "USD", ...query })).body;
  const nothing = { total: "0.0000", total_in: "0.0000", total_out: "0.0000" };
  const fee = { total: "1.0000", total_in: "1.0000", total_out: "0.0000" };
  expect(await total({})).toEqual({ account: "fees", currency: "USD", ...fee });
  expect(await total({ currency: "EUR" })).toMatchObject(nothing);
  expect(await total({ position: positionOf(placed) })).toMatchObject(nothing);
  expect(await total({ position: positionOf(captured) })).toMatchObject(fee);
  expect(await total({ at: "2020-01-01" })).toMatchObject(nothing);
  const external = await read("/accounts/external/total", { currency: "USD" });
  expect(external.body).toMatchObject({ total: "-100.0000", total_out: "100.0000" });
  expect(external.headers.get("history-complete-to")).toMatch(/^\d+$/);
  const nobody = await read("/accounts/nobody/total", { currency: "USD" });
  expect(nobody.body).toMatchObject(nothing);
});

test("an account's legs are listed with both sides and the caller's details, in pages", async () => {
  const { body } = await read("/accounts/fees/entries");
  expect(body).toEqual([
    {
      account: "fees",
      currency: "USD",
      amount: "1.0000",
      wallet_id: alice,
      transaction_id: transactionOf(captured),
      position: Number(positionOf(captured)),
      occurred_at: expect.stringMatching(/Z$/),
      leg_index: 1,
      kind: "transaction_posted",
      ...captureDetails,
    },
  ]);
  for (let index = 0; index < 2; index += 1) {
    last = await post(`/wallets/${shop}/withdraw`, { amount: "1", destination: "bank" });
  }
  const first = await read("/accounts/bank/entries", { page_size: "1", direction: "oldest" });
  const next = /^<([^>]+)>; rel="next"$/.exec(first.headers.get("link") ?? "")?.[1] ?? "";
  const second = await rest.send("GET", next);
  expect([first.body, second.body]).toMatchObject([[{ amount: "1.0000" }], [{ leg_index: 0 }]]);
  expect(second.body).not.toEqual(first.body);
  expect(second.headers.get("link")).toBeNull();
});

test.each([
  ["/accounts/fees/total", "currency", "is required"],
  ["/accounts/fees/total?currency=usd", "currency", "capital letter"],
  ["/accounts/fees/total?currency=USD&at=now", "at", "must be an instant"],
  ["/accounts/fees/total?currency=USD&position=-1", "position", "must be a position"],
  ["/accounts/fees/total?currency=USD&position=1&at=2026-01-01", "position", "beside at"],
  [`/accounts/${"a".repeat(51)}/total?currency=USD`, "account", "at most 50 characters"],
  ["/accounts/fees/entries?direction=up", "direction", "newest or oldest"],
  ["/accounts/fees/entries?page_size=0", "page_size", "at least 1"],
  ["/accounts/fees/entries?page_token=x", "page_token", "page_token"],
  ["/accounts/%00/entries", "account", "U+0000"],
])("GET %s is 400 and blames %s", async (path, field, text) => {
  const errors = [{ field, detail: expect.stringContaining(text) }];
  expectProblem(await rest.send("GET", path), 400, { reason: "INVALID_FIELD", errors });
});

test("an account at a position that history has not reached is 503 NOT_COMPLETE_YET", async () => {
  for (const query of ["position=999999999", "min_position=999999999"]) {
    const answer = await rest.send("GET", `/accounts/fees/total?currency=USD&${query}`);
    expectProblem(answer, 503, { reason: "NOT_COMPLETE_YET" });
  }
});
