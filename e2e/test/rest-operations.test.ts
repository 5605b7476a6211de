import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  type Asked,
  type OperationBed,
  startOperationBed,
  transactionOf,
} from "./rest-operation.ts";
import type { WalletView } from "./rest-service.ts";

// What the operations do over REST. What they refuse stands in rest-refusals, holds in rest-holds.

let bed: OperationBed;
let alice: WalletView;
let bob: WalletView;

beforeAll(async () => {
  bed = await startOperationBed();
});

afterAll(() => bed[Symbol.asyncDispose]());

beforeEach(async () => {
  alice = await bed.wallet("alice", "100");
  bob = await bed.wallet("bob", "10");
});

test("a withdrawal answers the wallet one version on, with its ETag", async () => {
  const body = { amount: "30.5", destination: "bank", reference: "payout-1" };
  const answer = await bed.done({ path: `/wallets/${alice.id}/withdraw`, body });
  expect(answer.body).toMatchObject({ id: alice.id, balance: "69.5000", version: 2 });
  expect(answer.headers.get("etag")).toBe('"2"');
  expect(await bed.read(alice)).toEqual(answer.body);
  const toExternal = { path: `/wallets/${alice.id}/withdraw`, body: { amount: 0.5 } };
  expect((await bed.done(toExternal)).body).toMatchObject({ balance: "69.0000" });
});

test("a funding may come from an account, and what comes from nowhere else is external", async () => {
  const path = `/wallets/${alice.id}/fund`;
  const body = { amount: "1", source: "bank" };
  expect((await bed.done({ path, body })).body).toMatchObject({ balance: "101.0000" });
});

test("a split with a fee is one transaction: each wallet moves by one version", async () => {
  const carol = await bed.wallet("carol");
  const legs = [
    { from: { wallet_id: alice.id }, to: { wallet_id: bob.id }, amount: "60" },
    { from: { wallet_id: alice.id.toUpperCase() }, to: { wallet_id: carol.id }, amount: 30 },
    { from: { wallet_id: alice.id }, to: { account: "fees" }, amount: "2.5" },
  ];
  const answer = await bed.done({ path: "/transactions", body: { legs } }, 201);
  const id = transactionOf(answer);
  expect(answer.headers.get("location")).toBe(`/transactions/${id}`);
  expect(answer.body).toEqual({
    transaction_id: id,
    position: Number(answer.headers.get("position")),
    occurred_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    wallets: [await bed.read(alice), await bed.read(bob), await bed.read(carol)],
  });
  expect(answer.body).toMatchObject({
    wallets: [
      { balance: "7.5000", version: 2 },
      { balance: "70.0000", version: 2 },
      { balance: "30.0000", version: 1 },
    ],
  });
});

test("an exchange goes through accounts, with both amounts given", async () => {
  const euros = await bed.wallet("alice", "0", "EUR");
  const legs = [
    { from: { wallet_id: alice.id }, to: { account: "fx" }, amount: "10.842" },
    { from: { account: "fx" }, to: { wallet_id: euros.id }, amount: "10" },
  ];
  const exchange = { rate: "1.0842", quote_id: "quote-7" };
  const posted = await bed.done({ path: "/transactions", body: { legs, exchange } }, 201);
  expect(posted.body).toMatchObject({
    wallets: [{ balance: "89.1580" }, { currency: "EUR", balance: "10.0000" }],
  });
  const path = `/transactions/${transactionOf(posted)}/reverse`;
  // One amount does not say of which leg.
  const errors = [{ field: "amount", detail: expect.any(String) }];
  await bed.refused({ path, body: { amount: "10" } }, 400, { reason: "INVALID_FIELD", errors });
  // The original amounts of both legs, never a new rate.
  expect((await bed.done({ path }, 201)).body).toMatchObject({
    wallets: expect.arrayContaining([
      expect.objectContaining({ id: alice.id, balance: "100.0000" }),
      expect.objectContaining({ id: euros.id, balance: "0.0000" }),
    ]),
    reversal: { legs: [{ amount: "10.8420" }, { amount: "10.0000" }] },
  });
});

test("expected versions of a transaction let it act, or refuse it with 409", async () => {
  const legs = [{ from: { wallet_id: alice.id }, to: { wallet_id: bob.id }, amount: "1" }];
  const expecting = (version: number): Asked => {
    const expected_versions = [
      { wallet_id: alice.id, version: alice.version },
      { wallet_id: bob.id, version },
    ];
    return { path: "/transactions", body: { legs, expected_versions } };
  };
  await bed.refused(expecting(bob.version + 1), 409, { reason: "VERSION_CONFLICT" });
  await bed.done(expecting(bob.version), 201);
});

test("a reversal takes back a part by amount or by legs, then all that is left", async () => {
  const body = { to_wallet_id: bob.id, amount: "20" };
  const paid = transactionOf(await bed.done({ path: `/wallets/${alice.id}/transfer`, body }));
  const path = `/transactions/${paid.toUpperCase()}/reverse`;
  const part = await bed.done({ path, body: { amount: "3", reference: "refund-1" } }, 201);
  const reversal = { transaction_id: paid, legs: [{ index: 0, amount: "3.0000" }] };
  expect(part.body).toMatchObject({
    transaction_id: transactionOf(part),
    wallets: [
      { id: bob.id, balance: "27.0000" },
      { id: alice.id, balance: "83.0000" },
    ],
    reversal,
  });
  await bed.done({ path, body: { legs: [{ index: 0, amount: 4 }] } }, 201);
  expect((await bed.done({ path }, 201)).body).toMatchObject({
    wallets: [{ balance: "10.0000" }, { balance: "100.0000" }],
    reversal: { legs: [{ index: 0, amount: "13.0000" }] },
  });
});

test("a payout that is returned comes back by its reversal", async () => {
  const path = `/wallets/${alice.id}/withdraw`;
  const payout = transactionOf(await bed.done({ path, body: { amount: "40" } }));
  await bed.done({ path: `/transactions/${payout}/reverse`, body: {} }, 201);
  expect(await bed.read(alice)).toMatchObject({ balance: "100.0000", version: 3 });
});

test("a shortfall account pays what the receiver no longer has, in one transaction", async () => {
  const body = { to_wallet_id: bob.id, amount: "50" };
  const paid = transactionOf(await bed.done({ path: `/wallets/${alice.id}/transfer`, body }));
  await bed.done({ path: `/wallets/${bob.id}/withdraw`, body: { amount: "55" } });
  const path = `/transactions/${paid}/reverse`;
  await bed.refused({ path }, 400, { reason: "INSUFFICIENT_BALANCE" });
  const reversed = await bed.done({ path, body: { shortfall_account: "bank" } }, 201);
  expect(reversed.body).toMatchObject({
    wallets: [
      { id: bob.id, balance: "0.0000" },
      { id: alice.id, balance: "100.0000" },
    ],
  });
});

test("a frozen wallet says how far, and unfreezing makes it active again", async () => {
  const path = `/wallets/${alice.id}`;
  const body = { scope: "OUTGOING", reason: "Court order" };
  const frozen = await bed.done({ path: `${path}/freeze`, body });
  expect(frozen.body).toMatchObject({ status: "FROZEN_OUTGOING", version: 2 });
  expect(frozen.headers.get("etag")).toBe('"2"');
  expect((await bed.done({ path: `${path}/freeze` })).body).toMatchObject({ status: "FROZEN" });
  expect((await bed.done({ path: `${path}/unfreeze` })).body).toMatchObject({ status: "ACTIVE" });
});

test("closing sweeps what is left, and answers the closed wallet", async () => {
  const path = `/wallets/${alice.id}/close`;
  const closed = await bed.done({ path, body: { sweep_to: { wallet_id: bob.id } } });
  expect(closed.body).toMatchObject({ id: alice.id, balance: "0.0000", status: "CLOSED" });
  expect(await bed.read(bob)).toMatchObject({ balance: "110.0000" });
  const toBank = { path: `/wallets/${bob.id}/close`, body: { sweep_to: { account: "bank" } } };
  expect((await bed.done(toBank)).body).toMatchObject({ status: "CLOSED", version: 3 });
  const empty = await bed.wallet("erin");
  const alone = await bed.done({ path: `/wallets/${empty.id}/close` });
  expect(alone.body).toMatchObject({ status: "CLOSED", version: 1 });
});

test("PATCH changes what it names, and the wallet shows it where there is something", async () => {
  const path = `/wallets/${alice.id}`;
  const patch = (body: object): Asked => ({ method: "PATCH", path, body });
  const metadata = { tier: "gold", "a/b": "", constructor: "c", toString: "t", ключ: "値" };
  const first = await bed.done(patch({ metadata, limits: { single_transfer_max: 25 } }));
  expect(first.headers.get("etag")).toBe('"2"');
  expect(first.body).toEqual({
    ...alice,
    version: 2,
    update_time: expect.any(String),
    metadata,
    limits: { single_transfer_max: "25.0000" },
  });
  expect(await bed.read(alice)).toEqual(first.body);
  const second = await bed.done(patch({ metadata: { tier: "silver" } }));
  expect(second.body).toMatchObject({
    metadata: { tier: "silver" },
    limits: { single_transfer_max: "25.0000" },
  });
  await bed.done(patch({ limits: { single_transfer_max: null } }));
  const last = await bed.done(patch({ metadata: {} }));
  expect(last.body).toEqual({ ...alice, version: 5, update_time: expect.any(String) });
  const stale = { ...patch({ metadata: { tier: "x" } }), headers: { "If-Match": '"4"' } };
  await bed.refused(stale, 412, { reason: "VERSION_CONFLICT" });
});

test("currencies come with their decimals, and accounts by name", async () => {
  expect((await bed.send("GET", "/currencies")).body).toEqual([
    { code: "EUR", decimals: 4 },
    { code: "JPY", decimals: 0 },
    { code: "KWD", decimals: 3 },
    { code: "USD", decimals: 4 },
  ]);
  const accounts = ["bank", "external", "fees", "fx"].map((name) => ({ name }));
  expect((await bed.send("GET", "/accounts")).body).toEqual(accounts);
});
