import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  type HoldView,
  holdOf,
  inMs,
  keyed,
  type OperationBed,
  startOperationBed,
} from "./rest-operation.ts";
import type { WalletView } from "./rest-service.ts";

let bed: OperationBed;
let alice: WalletView;
let shop: WalletView;
let aheadMs = 0;
const now = (): number => Date.now() + aheadMs;
const dayMs = 86_400_000;

beforeAll(async () => {
  bed = await startOperationBed({ now });
});

afterAll(() => bed[Symbol.asyncDispose]());

beforeEach(async () => {
  alice = await bed.wallet("alice", "100");
  shop = await bed.wallet("shop");
});

const capturePath = ({ id }: HoldView): string => `/holds/${id}/capture`;
const releasePath = ({ id }: HoldView): string => `/holds/${id}/release`;
const pay = (amount: unknown): object => ({ to_wallet_id: shop.id, amount });

test("a hold sets money aside, and is shown with everything that is known of it", async () => {
  const expire_time = inMs(dayMs, now);
  const details = { reference: "order-1", description: "Shoes", metadata: { size: "42" } };
  const answer = await bed.done(
    { path: `/wallets/${alice.id}/holds`, body: { amount: "60", expire_time, ...details } },
    201,
  );
  const { id } = holdOf(answer);
  expect(answer.headers.get("location")).toBe(`/holds/${id}`);
  expect(answer.headers.get("position")).toMatch(/^\d+$/);
  expect(answer.body).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    wallet_id: alice.id,
    currency: "USD",
    amount: "60.0000",
    captured: "0.0000",
    remaining: "60.0000",
    status: "OPEN",
    create_time: expect.stringMatching(/Z$/),
    expire_time,
  });
  expect((await bed.send("GET", `/holds/${id.toUpperCase()}`)).body).toEqual(answer.body);
  expect(await bed.read(alice)).toMatchObject({
    balance: "100.0000",
    held: "60.0000",
    available: "40.0000",
    version: alice.version + 1,
  });
});

test("a partial capture pays, and releases the rest in the same transaction", async () => {
  const hold = await bed.hold(alice, "60");
  const answer = await bed.done({ path: capturePath(hold), body: pay("25") });
  expect(answer.body).toMatchObject({
    id: hold.id,
    status: "CAPTURED",
    captured: "25.0000",
    remaining: "0.0000",
  });
  const paid = { balance: "75.0000", held: "0.0000", version: alice.version + 2 };
  expect(await bed.read(alice)).toMatchObject(paid);
  expect(await bed.read(shop)).toMatchObject({ balance: "25.0000" });
});

test("with keep_remaining the hold stays open with the rest, for captures to come", async () => {
  const hold = await bed.hold(alice, "60");
  const body = { ...pay(25), keep_remaining: true };
  expect((await bed.done({ path: capturePath(hold), body })).body).toMatchObject({
    status: "OPEN",
    captured: "25.0000",
    remaining: "35.0000",
  });
  expect(await bed.read(alice)).toMatchObject({ held: "35.0000", available: "40.0000" });
  expect((await bed.done({ path: capturePath(hold), body: pay("35") })).body).toMatchObject({
    status: "CAPTURED",
    captured: "60.0000",
  });
});

test("a capture pays several places at once", async () => {
  const hold = await bed.hold(alice, "60");
  const payments = [
    { to: { wallet_id: shop.id }, amount: "50" },
    { to: { account: "fees" }, amount: 1.5 },
  ];
  expect((await bed.done({ path: capturePath(hold), body: { payments } })).body).toMatchObject({
    captured: "51.5000",
  });
  expect(await bed.read(shop)).toMatchObject({ balance: "50.0000" });
});

test("capture of more than is left is HOLD_AMOUNT_EXCEEDED, and the hold stays open", async () => {
  const hold = await bed.hold(alice, "60");
  const detail = expect.stringContaining("The hold has 60.0000 remaining");
  await bed.refused({ path: capturePath(hold), body: pay("60.0001") }, 400, {
    reason: "HOLD_AMOUNT_EXCEEDED",
    detail,
  });
  await bed.done({ path: capturePath(hold), body: { ...pay("50"), keep_remaining: true } });
  await bed.refused({ path: capturePath(hold), body: pay("11") }, 400, {
    reason: "HOLD_AMOUNT_EXCEEDED",
    detail: expect.stringContaining("The hold has 10.0000 remaining"),
  });
  expect((await bed.send("GET", `/holds/${hold.id}`)).body).toMatchObject({ status: "OPEN" });
});

test("a second capture of a captured hold is HOLD_CAPTURED, and so is its release", async () => {
  const hold = await bed.hold(alice, "60");
  await bed.done({ path: capturePath(hold), body: pay("25") });
  const problem = {
    reason: "HOLD_CAPTURED",
    detail: expect.stringContaining("The hold has been captured"),
  };
  await bed.refused({ path: capturePath(hold), body: pay("1") }, 400, problem);
  await bed.refused({ path: releasePath(hold) }, 400, problem);
});

test("releasing twice: the same key answers the first answer, otherwise it is HOLD_RELEASED", async () => {
  const hold = await bed.hold(alice, "60");
  const headers = keyed();
  // Neither a body nor a content type is needed.
  const first = await bed.done({ path: releasePath(hold), headers });
  expect(first.body).toMatchObject({ status: "RELEASED", remaining: "0.0000" });
  expect(await bed.read(alice)).toMatchObject({ held: "0.0000", available: "100.0000" });
  const again = await bed.done({ path: releasePath(hold), body: {}, headers });
  expect(again.body).toEqual(first.body);
  const problem = {
    reason: "HOLD_RELEASED",
    detail: expect.stringContaining("The hold has been released"),
  };
  await bed.refused({ path: releasePath(hold) }, 400, problem);
  await bed.refused({ path: capturePath(hold), body: pay("1") }, 400, problem);
});

test("from expire_time on a capture is HOLD_EXPIRED, swept or not, and the money is free", async () => {
  const hold = await bed.hold(alice, "60", inMs(dayMs, now));
  const open = await bed.hold(alice, "10", inMs(2 * dayMs, now));
  aheadMs += Date.parse(hold.expire_time) - now();
  const problem = {
    reason: "HOLD_EXPIRED",
    detail: expect.stringContaining("The hold has expired"),
  };
  const capture = { path: capturePath(hold), body: pay("1") };
  expect((await bed.ask(capture)).body).toMatchObject(problem);
  const status = async () => holdOf(await bed.send("GET", `/holds/${hold.id}`)).status;
  await expect.poll(status).toBe("EXPIRED");
  await bed.refused(capture, 400, problem);
  await bed.refused({ path: releasePath(hold) }, 400, problem);
  const expired = { balance: "100.0000", held: "10.0000", available: "90.0000" };
  expect(await bed.read(alice)).toMatchObject(expired);
  await bed.done({ path: capturePath(open), body: pay("10") });
});

test("a debit or a hold beyond what is available is INSUFFICIENT_BALANCE", async () => {
  await bed.hold(alice, "60");
  const problem = { reason: "INSUFFICIENT_BALANCE", detail: "Insufficient balance" };
  const expire_time = inMs(dayMs, now);
  const legs = [{ from: { wallet_id: alice.id }, to: { account: "bank" }, amount: "40.0001" }];
  const tooMuch = { amount: "40.0001" };
  for (const asked of [
    { path: `/wallets/${alice.id}/transfer`, body: { ...pay("40.0001") } },
    { path: `/wallets/${alice.id}/withdraw`, body: tooMuch },
    { path: `/wallets/${alice.id}/holds`, body: { ...tooMuch, expire_time } },
    { path: "/transactions", body: { legs } },
  ]) {
    await bed.refused(asked, 400, problem);
  }
  await bed.done({ path: `/wallets/${alice.id}/withdraw`, body: { amount: "40" } });
});

test("the holds of a wallet are listed newest first, in pages, by status", async () => {
  const path = `/wallets/${alice.id}/holds`;
  const made: HoldView[] = [];
  for (let index = 0; index < 3; index += 1) made.unshift(await bed.hold(alice, "10"));
  const [newest, middle, oldest] = made;
  await bed.done({ path: `/holds/${middle?.id}/release` });
  const listed = await bed.send("GET", `${path}?status=OPEN&page_size=1`);
  expect(listed.body).toEqual([newest]);
  const next = /^<([^>]+)>; rel="next"$/.exec(listed.headers.get("link") ?? "")?.[1];
  const last = await bed.send("GET", next ?? "");
  expect([last.body, last.headers.get("link")]).toEqual([[oldest], null]);
  expect((await bed.send("GET", path)).body).toHaveLength(3);
  await bed.refused({ method: "GET", path: `${path}?status=open` }, 400, {
    reason: "INVALID_FIELD",
    detail: "status: must be OPEN, CAPTURED, RELEASED or EXPIRED",
  });
});

test("what is no hold is HOLD_NOT_FOUND, and no wallet has no holds", async () => {
  const problem = { reason: "HOLD_NOT_FOUND", detail: "Hold not found" };
  for (const id of [randomUUID(), "no-uuid"]) {
    await bed.refused({ method: "GET", path: `/holds/${id}` }, 404, problem);
    await bed.refused({ path: `/holds/${id}/capture`, body: pay("1") }, 404, problem);
    await bed.refused({ path: `/holds/${id}/release` }, 404, problem);
    await bed.refused({ method: "GET", path: `/wallets/${id}/holds` }, 404, {
      reason: "WALLET_NOT_FOUND",
    });
  }
});

test("If-Match of a capture, a release and a hold is about the hold's wallet", async () => {
  const stale = { "If-Match": `"${alice.version}"` };
  const hold = await bed.hold(alice, "60");
  const expire_time = inMs(dayMs, now);
  const problem = { reason: "VERSION_CONFLICT" };
  for (const asked of [
    { path: capturePath(hold), body: pay("1") },
    { path: releasePath(hold) },
    { path: `/wallets/${alice.id}/holds`, body: { amount: "1", expire_time } },
  ]) {
    await bed.refused({ ...asked, headers: stale }, 412, problem);
  }
  const current = { "If-Match": `"${alice.version + 1}"` };
  await bed.done({ path: capturePath(hold), body: pay("1"), headers: current });
});

test.each([
  [{ amount: "1" }, "expire_time", "is required"],
  [{ amount: "1", expire_time: "2000-01-01T00:00:00Z" }, "expire_time", "must be in the future"],
  [{ amount: "1", expire_time: "2999-01-01" }, "expire_time", "must be in the future"],
  [{ amount: "1", expire_time: "soon" }, "expire_time", "must be an instant"],
  [{ amount: "0", expire_time: "2999-01-01" }, "amount", "Amount must be greater than zero"],
  [{ expire_time: "2999-01-01" }, "amount", "is required"],
])("the hold %j is refused and blames %s", async (body, field, text) => {
  await bed.refused({ path: `/wallets/${alice.id}/holds`, body }, 400, {
    reason: "INVALID_FIELD",
    errors: [{ field, detail: expect.stringContaining(text) }],
  });
});

test("a capture has one payment or several, and says which field is wrong in its own terms", async () => {
  const hold = await bed.hold(alice, "60");
  const payments = [{ to: { wallet_id: shop.id }, amount: "1" }];
  const cases: [object, string, string][] = [
    [{}, "to_wallet_id", "is required, unless there are payments"],
    [{ to_wallet_id: shop.id }, "amount", "is required, unless there are payments"],
    [{ ...pay("1"), payments }, "payments", "must not stand beside"],
    [pay("1e3"), "amount", "must be a decimal number"],
    [pay(1e-7), "amount", "send it as a string"],
    [{ payments: [] }, "payments", "must have at least 1 item"],
    [{ payments: [{ to: {}, amount: "1" }] }, "payments[0].to", "must have either"],
    [
      { payments: [{ to: { wallet_id: shop.id, account: "fees" }, amount: "1" }] },
      "payments[0].to",
      "must have either",
    ],
    [{ payments: [...payments, { to: {} }] }, "payments[1].amount", "is required"],
    [{ payments: [{ to: { account: "fees" }, amount: "x" }] }, "payments[0].amount", "decimal"],
    [{ payments: [{ to: { wallet_id: "x" }, amount: "1" }] }, "payments[0].to.wallet_id", "UUID"],
  ];
  for (const [body, field, text] of cases) {
    await bed.refused({ path: capturePath(hold), body }, 400, {
      reason: "INVALID_FIELD",
      errors: [{ field, detail: expect.stringContaining(text) }],
    });
  }
});
