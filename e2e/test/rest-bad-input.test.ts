import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import {
  expectProblem,
  type RestService,
  startRestService,
  type WalletView,
} from "./rest-service.ts";

// What bad input gets: the code and status of the error table, a message that says what to
// change, and nothing written.

let rest: RestService;
let owner: postgres.Sql;
let rich: WalletView;
let other: WalletView;
let writtenBefore: unknown;

beforeAll(async () => {
  rest = await startRestService();
  owner = postgres(rest.ownerUrl, { max: 1 });
  rich = await rest.wallet("rich", "999999999999999.9999");
  other = await rest.wallet("other", "1");
});

afterAll(async () => {
  await owner.end();
  await rest[Symbol.asyncDispose]();
});

beforeEach(async () => {
  writtenBefore = await written();
});

afterEach(async () => {
  expect(await written()).toEqual(writtenBefore);
});

async function written(): Promise<unknown> {
  const wallets = await owner`select id, version, balance from wallets order by id`;
  const [journal] = await owner`select count(*), max(first_position) from journal`;
  return { wallets: [...wallets], journal };
}

function fund(amount: unknown, headers: object = {}) {
  return rest.send("POST", `/wallets/${other.id}/fund`, { amount }, headers);
}

function transfer(from: string, to_wallet_id: string, amount: unknown, headers: object = {}) {
  return rest.send("POST", `/wallets/${from}/transfer`, { to_wallet_id, amount }, headers);
}

test.each([
  "1.00001",
  "1234567890123456",
  "1e3",
  "NaN",
  "Infinity",
  "",
  " 1",
  "1 ",
  "+1",
  "01",
  ".5",
  "5.",
  "1,5",
  "0x10",
  "١",
  "1\n",
  "1\u0000",
  "\ud800",
])("the amount %j is refused with the form that it must have", async (amount) => {
  const errors = [{ field: "amount", detail: expect.any(String) }];
  const problem = {
    reason: "INVALID_FIELD",
    errors,
    detail: expect.stringMatching(/amount|Amount/),
  };
  expectProblem(await fund(amount), 400, problem);
  expectProblem(await transfer(rich.id, other.id, amount), 400, problem);
});

test.each([100_000_000_000, 1e21, 0.00001, 1e-7, 10.12345, 12_345_678_901.12345])(
  "the number %d is no exact amount: it must be sent as a string",
  async (amount) => {
    const detail = expect.stringContaining("send it as a string");
    expectProblem(await fund(amount), 400, { reason: "INVALID_FIELD", detail });
  },
);

test("the number 1e999, which JSON turns into infinity, is refused", async () => {
  const answer = await rest.send("POST", `/wallets/${other.id}/fund`, '{"amount":1e999}');
  expectProblem(answer, 400, { reason: "INVALID_FIELD" });
});

test.each([
  ["", "must not be empty"],
  ["a".repeat(101), "must have at most 100 characters"],
  ["a\u0000b", "U+0000"],
  ["\ud800", "surrogate"],
  ["a\udc00b", "surrogate"],
])("the user_id %j is refused: %s", async (user_id, text) => {
  const problem = { reason: "INVALID_FIELD", detail: expect.stringContaining(text) };
  expectProblem(await rest.send("POST", "/wallets", { user_id }), 400, problem);
});

test.each([
  ["%00", "U+0000"],
  ["a".repeat(101), "must have at most 100 characters"],
  ["", "must not be empty"],
])("the user %j in a path is refused: %s", async (user, text) => {
  const problem = { reason: "INVALID_FIELD", detail: expect.stringContaining(text) };
  expectProblem(await rest.send("GET", `/users/${user}/wallets`), 400, problem);
});

test.each(["usd", "US", "U-D", "", "ABCDEFGHIJKLM", 7, null])(
  "the currency %j is refused",
  async (currency) => {
    const answer = await rest.send("POST", "/wallets", { user_id: "alice", currency });
    const errors = [{ field: "currency", detail: expect.any(String) }];
    expectProblem(answer, 400, { reason: "INVALID_FIELD", errors });
  },
);

test("a balance over the maximum is refused", async () => {
  expectProblem(await transfer(other.id, rich.id, "0.0001"), 400, { reason: "BALANCE_LIMIT" });
});

test("a body that is larger than the limit is 413, whatever it holds", async () => {
  const body = { user_id: "alice", more: "a".repeat(20_000) };
  expectProblem(await rest.send("POST", "/wallets", body), 413, { reason: "BODY_TOO_LARGE" });
});

test.each([
  '{"user_id":"a","__proto__":{"b":1}}',
  '{"user_id":"a","constructor":{"prototype":{}}}',
])("the prototype-poisoning body %s is refused", async (body) => {
  expectProblem(await rest.send("POST", "/wallets", body), 400, { reason: "MALFORMED_BODY" });
});

test("a missing body is 400 and says what to send", async () => {
  for (const path of ["/wallets", `/wallets/${other.id}/fund`, `/wallets/${other.id}/transfer`]) {
    const detail = "body: must be a JSON object";
    expectProblem(await rest.send("POST", path), 400, { reason: "INVALID_FIELD", detail });
  }
});

test("an unknown route is 404, and another method of a route 405 with those it has", async () => {
  expectProblem(await rest.send("GET", "/nothing"), 404, { reason: "NO_SUCH_PATH" });
  expectProblem(await rest.send("POST", "/wallets/"), 404, { reason: "NO_SUCH_PATH" });
  const answer = await rest.send("DELETE", `/wallets/${other.id}`);
  expectProblem(answer, 405, { reason: "METHOD_NOT_ALLOWED" });
  expect(answer.headers.get("allow")?.split(", ").toSorted()).toEqual(["GET", "HEAD", "PATCH"]);
  const put = await rest.send("PUT", `/wallets/${other.id}/fund`, { amount: "1" });
  expect([put.status, put.headers.get("allow")]).toEqual([405, "POST"]);
});

test.each(["0", "1001", "-1", "1.5", "x", "", "5&page_size=6"])(
  "page_size=%s is refused",
  async (size) => {
    const errors = [{ field: "page_size", detail: expect.any(String) }];
    const problem = { reason: "INVALID_FIELD", errors };
    expectProblem(await rest.send("GET", `/wallets?page_size=${size}`), 400, problem);
    expectProblem(await rest.send("GET", `/users/a/wallets?page_size=${size}`), 400, problem);
  },
);

test("a query parameter that is given twice is told so", async () => {
  const detail = "page_token: must be given only once";
  expectProblem(await rest.send("GET", "/wallets?page_token=a&page_token=b"), 400, { detail });
});

test.each(["nonsense", "%00", "a".repeat(201), "%ff"])(
  "page_token=%s is refused",
  async (token) => {
    const errors = [{ field: "page_token", detail: expect.any(String) }];
    const answer = await rest.send("GET", `/wallets?page_token=${token}`);
    expectProblem(answer, 400, { reason: "INVALID_FIELD", errors });
  },
);

test.each(["", "a".repeat(256), "\u00e9", "key-1, key-2"])(
  "the Idempotency-Key %j is refused",
  async (key) => {
    const errors = [{ field: "Idempotency-Key", detail: expect.any(String) }];
    const problem = { reason: "INVALID_FIELD", errors };
    const headers = { "Idempotency-Key": key };
    expectProblem(await fund("1", headers), 400, problem);
    expectProblem(await transfer(rich.id, other.id, "1", headers), 400, problem);
    expectProblem(await rest.send("POST", "/wallets", { user_id: "a" }, headers), 400, problem);
  },
);

test.each(["1", '"x"', 'W/"1"', '"1", "2"', '"-1"', '"01"', '""', '"99999999999999999999"'])(
  "If-Match: %s is refused with the form that it must have",
  async (ifMatch) => {
    const errors = [{ field: "If-Match", detail: expect.stringContaining("in double quotes") }];
    const problem = { reason: "INVALID_FIELD", errors };
    expectProblem(await fund("1", { "If-Match": ifMatch }), 400, problem);
    const headers = { "If-Match": ifMatch };
    expectProblem(await transfer(rich.id, other.id, "1", headers), 400, problem);
  },
);

test("every mistake of a body is told at once", async () => {
  const answer = await rest.send("POST", "/wallets", { user_id: 7, currency: "usd" });
  const fields = ["user_id", "currency"].map((field) => expect.objectContaining({ field }));
  expectProblem(answer, 400, { errors: fields });
});

test("a transfer between currencies is refused", async () => {
  const before = await written();
  const euros = await rest.wallet("alice", "0", "EUR");
  const created = await written();
  expect(created).not.toEqual(before);
  writtenBefore = created;
  expectProblem(await transfer(other.id, euros.id, "1"), 400, { reason: "CURRENCY_MISMATCH" });
});

test("a broken percent-encoding in a path is 404", async () => {
  expectProblem(await rest.send("GET", "/wallets/%zz"), 404, { reason: "NO_SUCH_PATH" });
  expectProblem(await rest.send("GET", `/users/%ff/wallets`), 404, { reason: "NO_SUCH_PATH" });
});

test("an unknown wallet is told before a missing balance", async () => {
  const answer = await transfer(other.id, randomUUID(), "5000");
  expectProblem(answer, 404, { reason: "WALLET_NOT_FOUND" });
});
