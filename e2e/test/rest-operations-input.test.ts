import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type Asked,
  type OperationBed,
  startOperationBed,
  transactionOf,
} from "./rest-operation.ts";
import type { WalletView } from "./rest-service.ts";

// What bad input of the operations gets: the field to blame by its place in the body.

let bed: OperationBed;
let alice: WalletView;
let paid: string;

beforeAll(async () => {
  bed = await startOperationBed();
  alice = await bed.wallet("alice", "100");
  const path = `/wallets/${alice.id}/withdraw`;
  paid = transactionOf(await bed.done({ path, body: { amount: "20" } }));
});

afterAll(() => bed[Symbol.asyncDispose]());

const wallet = { wallet_id: "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1" };
const soon = "2999-01-01T00:00:00Z";
const bank = { account: "bank" };
const leg = { from: wallet, to: bank, amount: "1" };
const withdraw = (body: object): Asked => ({ path: "withdraw", body: { amount: "1", ...body } });
const post = (body: object): Asked => ({ path: "/transactions", body: { legs: [leg], ...body } });
const reverse = (body: object): Asked => ({ path: "reverse", body });
const patch = (body: object): Asked => ({ method: "PATCH", path: "", body });
const pairs = (count: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, ""]));

test.each<[Asked, string, string]>([
  [withdraw({ amount: "-1" }), "amount", "Amount must be greater than zero"],
  [withdraw({ destination: 7 }), "destination", "must be a string"],
  [withdraw({ destination: "b".repeat(51) }), "destination", "at most 50 characters"],
  [withdraw({ reference: "r".repeat(256) }), "reference", "at most 255 characters"],
  [withdraw({ description: "d".repeat(501) }), "description", "at most 500 characters"],
  [withdraw({ description: "\u0000" }), "description", "U+0000"],
  [withdraw({ metadata: [] }), "metadata", "must be an object"],
  [withdraw({ metadata: { a: 1 } }), "metadata.a", "must be a string"],
  [withdraw({ metadata: { "a/b~c": "v".repeat(501) } }), 'metadata["a/b~c"]', "at most 500"],
  [withdraw({ metadata: { "": "" } }), "metadata", "has a key that must not be empty"],
  [withdraw({ metadata: { ["k".repeat(41)]: "" } }), "metadata", "has a key that must have at"],
  [withdraw({ metadata: { "\ud800": "" } }), "metadata", "has a key that must not contain"],
  [withdraw({ metadata: pairs(17) }), "metadata", "must have at most 16 pairs"],
  [post({ legs: undefined }), "legs", "is required"],
  [post({ legs: [] }), "legs", "must have at least 1 item"],
  [post({ legs: Array(101).fill(leg) }), "legs", "must have at most 100 items"],
  [post({ legs: [{ ...leg, amount: "1e3" }] }), "legs[0].amount", "decimal number"],
  [post({ legs: [leg, { ...leg, amount: 1e-7 }] }), "legs[1].amount", "send it as a string"],
  [post({ legs: [{ from: wallet, amount: "1" }] }), "legs[0].to", "is required"],
  [post({ legs: [{ ...leg, to: {} }] }), "legs[0].to", "either wallet_id or account"],
  [post({ legs: [{ ...leg, to: { ...wallet, ...bank } }] }), "legs[0].to", "either wallet_id"],
  [post({ legs: [{ ...leg, to: { account: "" } }] }), "legs[0].to.account", "least 1"],
  [post({ legs: [{ ...leg, to: { wallet_id: "x" } }] }), "legs[0].to.wallet_id", "UUID"],
  [
    post({ expected_versions: [{ ...wallet, version: -1 }] }),
    "expected_versions[0].version",
    "at least 0",
  ],
  [
    post({ expected_versions: Array(2).fill({ ...wallet, version: 1 }) }),
    "expected_versions[1].wallet_id",
    "no other",
  ],
  [post({ exchange: { rate: 1.5 } }), "exchange.rate", "must be a string"],
  [withdraw({ amout: "1" }), "amout", 'Unknown field "amout"; the fields here are amount, dest'],
  [withdraw({ destnation: "bank" }), "destnation", "destination"],
  [withdraw({ currency: "USD" }), "currency", "Unknown field"],
  [withdraw({ request_id: "r" }), "request_id", "send it as the header Idempotency-Key"],
  [withdraw({ "a/b~c": 1 }), "a/b~c", 'Unknown field "a/b~c"'],
  [withdraw({ ["k".repeat(9_000)]: 1 }), "k".repeat(40), "Unknown field"],
  [post({ request_id: "r" }), "request_id", "send it as the header Idempotency-Key"],
  [post({ legs: [{ ...leg, currency: "USD" }] }), "legs[0].currency", "are from, to, amount"],
  [
    post({ legs: [{ ...leg, to: { ...bank, acount: "" } }] }),
    "legs[0].to.acount",
    "are wallet_id, account",
  ],
  [post({ exchange: { rat: "1" } }), "exchange.rat", "are rate, quote_id"],
  [
    post({ expected_versions: [{ ...wallet, version: 1, id: "" }] }),
    "expected_versions[0].id",
    "are wallet_id, version",
  ],
  [reverse({ amuont: "1" }), "amuont", "Unknown field"],
  [reverse({ legs: [{ index: 0, amount: "1", currency: "USD" }] }), "legs[0].currency", "index"],
  [{ path: "freeze", body: { scpe: "OUTGOING" } }, "scpe", "are scope, reason"],
  [{ path: "unfreeze", body: { scope: "ALL" } }, "scope", "are reason"],
  [{ path: "close", body: { sweepto: bank } }, "sweepto", "are sweep_to"],
  [{ path: "close", body: { sweep_to: { ...bank, x: 1 } } }, "sweep_to.x", "are wallet_id"],
  [patch({ limit: {} }), "limit", "are metadata, limits"],
  [patch({ limits: { single_max: "1" } }), "limits.single_max", "are single_transfer_max"],
  [{ path: "holds", body: { amount: "1", expire_time: soon, ttl: 1 } }, "ttl", "are amount, exp"],
  [{ path: "capture", body: { amount: "1", to: wallet } }, "to", "are to_wallet_id, amount"],
  [
    { path: "capture", body: { payments: [{ to: bank, amount: "1", from: bank }] } },
    "payments[0].from",
    "are to, amount",
  ],
  [{ path: "release", body: { amount: "1" } }, "amount", "are reference"],
  [reverse({ amount: "x" }), "amount", "decimal number"],
  [reverse({ amount: "" }), "amount", "greater than zero"],
  [reverse({ amount: "1", legs: [{ index: 0, amount: "1" }] }), "legs", "beside amount"],
  [
    reverse({ legs: [{ index: 1, amount: "1" }] }),
    "legs.index",
    "none of the transaction's 1 legs",
  ],
  [reverse({ legs: Array(2).fill({ index: 0, amount: "1" }) }), "legs", "named twice"],
  [reverse({ legs: [{ index: 100, amount: "1" }] }), "legs[0].index", "at most 99"],
  [reverse({ legs: [] }), "legs", "must have at least 1 item"],
  [{ path: "freeze", body: { scope: "INCOMING" } }, "scope", "must be OUTGOING or ALL"],
  [{ path: "freeze", body: { reason: "r".repeat(501) } }, "reason", "at most 500"],
  [{ path: "close", body: { sweep_to: {} } }, "sweep_to", "either wallet_id or account"],
  [patch({}), "body", "must name one or more of"],
  [patch({ limits: { single_transfer_max: "" } }), "limits.single_transfer_max", "greater than"],
  [patch({ limits: { single_transfer_max: "x" } }), "limits.single_transfer_max", "decimal"],
  [patch({ limits: { single_transfer_max: [] } }), "limits.single_transfer_max", "must be a"],
  [patch({ metadata: null }), "metadata", "must be an object"],
])("%j is refused and blames %s", async ({ path, ...asked }, field, text) => {
  const paths: Record<string, string> = {
    "": `/wallets/${alice.id}`,
    reverse: `/transactions/${paid}/reverse`,
    "/transactions": "/transactions",
    capture: `/holds/${wallet.wallet_id}/capture`,
    release: `/holds/${wallet.wallet_id}/release`,
  };
  const whole = paths[path] ?? `/wallets/${alice.id}/${path}`;
  await bed.refused({ ...asked, path: whole }, 400, {
    reason: "INVALID_FIELD",
    errors: [{ field, detail: expect.stringContaining(text) }],
  });
});

test("the longest transaction is accepted, with its details in any script and JSON's longest form", async () => {
  const to = await bed.wallet("bob");
  const long = await bed.wallet("long", "100");
  const others = await Promise.all(Array.from({ length: 98 }, () => bed.wallet("other")));
  const metadata = Object.fromEntries(
    Array.from({ length: 16 }, (_, index) => [
      `${index}`.padStart(2, "0") + "😀".repeat(38),
      "😀".repeat(500),
    ]),
  );
  const details = { reference: "😀".repeat(255), description: "😀".repeat(500), metadata };
  const from = { wallet_id: long.id };
  const legs = [to, ...others].map(({ id }) => ({ from, to: { wallet_id: id }, amount: "0.0001" }));
  const versions = [long, to, ...others].map(({ id, version }) => ({ wallet_id: id, version }));
  const exchange = { rate: "😀".repeat(50), quote_id: "😀".repeat(255) };
  const body = escaped({ legs, expected_versions: versions, exchange, ...details });
  expect(body.length).toBeGreaterThan(131_072);
  const headers = { "Content-Type": "application/json" };
  await bed.done({ path: "/transactions", body, headers }, 201);
  const payout = { amount: "1", ...details };
  await bed.done({ path: `/wallets/${long.id}/withdraw`, body: escaped(payout), headers });
});

/** JSON of nothing but ASCII: every other character by its UTF-16 code units. */
function escaped(body: object): string {
  return JSON.stringify(body).replaceAll(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

test("of a misspelt field its name is told first, and then what is missing", async () => {
  const path = `/wallets/${alice.id}/withdraw`;
  await bed.refused({ path, body: { amout: "1" } }, 400, {
    detail: expect.stringContaining('Unknown field "amout"'),
    errors: [{ field: "amout" }, { field: "amount", detail: "is required" }],
  });
});

test("a body that is too long for an operation is 413", async () => {
  const body = { amount: "1", more: "a".repeat(270_000) };
  const path = `/wallets/${alice.id}/withdraw`;
  await bed.refused({ path, body }, 413, { reason: "BODY_TOO_LARGE" });
});

test.each<[string, object, string]>([
  ["/wallets", { user_id: "alice" }, "a new wallet has no version to compare, so leave it out"],
  ["/transactions", {}, "give the versions as expected_versions in the body"],
  ["reverse", {}, "a reversal depends on no version, so leave it out"],
])(
  "If-Match on %s, which cannot honour it, is refused and not ignored",
  async (path, more, instead) => {
    const side = { wallet_id: alice.id };
    const body = path === "/transactions" ? { legs: [{ ...leg, from: side }] } : more;
    const whole = path === "reverse" ? `/transactions/${paid}/reverse` : path;
    const detail = `If-Match is not taken here: ${instead}`;
    for (const ifMatch of ['"1"', "*", "1"]) {
      const headers = { "If-Match": ifMatch };
      const problem = { reason: "INVALID_FIELD", detail, errors: [{ field: "If-Match", detail }] };
      await bed.refused({ path: whole, body, headers }, 400, problem);
    }
  },
);

test("an empty body with a content type is told to be an object, and no route takes a list", async () => {
  const headers = { "Content-Type": "application/json" };
  const path = `/wallets/${alice.id}/freeze`;
  await bed.refused({ path, body: "", headers }, 400, { reason: "MALFORMED_BODY" });
  await bed.refused({ path, body: [] }, 400, { detail: "body: must be a JSON object" });
});
