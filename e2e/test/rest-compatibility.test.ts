import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  expectProblem,
  type RestService,
  startRestService,
  type WalletView,
  walletOf,
  walletsOf,
} from "./rest-service.ts";

// What clients of the earlier version rely on, row by row.

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
let rest: RestService;

beforeAll(async () => {
  rest = await startRestService();
});

afterAll(() => rest[Symbol.asyncDispose]());

async function reread(wallet: WalletView): Promise<WalletView> {
  return walletOf(await rest.send("GET", `/wallets/${wallet.id}`));
}

test("POST /wallets creates an empty wallet and answers 201 with it", async () => {
  const answer = await rest.send("POST", "/wallets", { user_id: "alice" });
  expect(answer.status).toBe(201);
  const wallet = walletOf(answer);
  expect(wallet).toMatchObject({ user_id: "alice", version: 0 });
  expect(wallet.id).toMatch(uuid);
  expect(wallet.balance).toBe("0.0000");
});

test("GET /wallets/:id answers the same object", async () => {
  const created = await rest.send("POST", "/wallets", { user_id: "alice" });
  const answer = await rest.send("GET", `/wallets/${walletOf(created).id}`);
  expect(answer.status).toBe(200);
  expect(answer.body).toEqual(created.body);
});

test("GET /wallets answers an array of all wallets, newest first", async () => {
  const older = await rest.wallet("list-a");
  const newer = await rest.wallet("list-b");
  const answer = await rest.send("GET", "/wallets");
  expect(answer.status).toBe(200);
  const ids = walletsOf(answer).map((wallet) => wallet.id);
  expect(ids.slice(0, 2)).toEqual([newer.id, older.id]);
});

test("GET /users/:user_id/wallets answers the user's wallets, newest first", async () => {
  const older = await rest.wallet("carol");
  await rest.wallet("not-carol");
  const newer = await rest.wallet("carol");
  const answer = await rest.send("GET", "/users/carol/wallets");
  expect(answer.status).toBe(200);
  expect(walletsOf(answer)).toEqual([newer, older]);
});

test("a user without wallets has an empty array of them", async () => {
  const answer = await rest.send("GET", "/users/nobody/wallets");
  expect([answer.status, answer.body]).toEqual([200, []]);
});

test("POST /wallets/:id/fund answers 200 with the wallet, four decimals, one version on", async () => {
  const wallet = await rest.wallet("alice");
  const answer = await rest.send("POST", `/wallets/${wallet.id}/fund`, { amount: "100.00" });
  expect(answer.status).toBe(200);
  expect(answer.body).toMatchObject({ id: wallet.id, balance: "100.0000", version: 1 });
});

test("POST /wallets/:id/transfer answers 200 with the receiver; both are one version on", async () => {
  const from = await rest.wallet("alice", "100.00");
  const to = await rest.wallet("bob");
  const body = { to_wallet_id: to.id, amount: "25.50" };
  const answer = await rest.send("POST", `/wallets/${from.id}/transfer`, body);
  expect(answer.status).toBe(200);
  expect(answer.body).toMatchObject({ id: to.id, balance: "25.5000", version: to.version + 1 });
  expect(await reread(from)).toMatchObject({ balance: "74.5000", version: from.version + 1 });
});

test("GET /health answers 200", async () => {
  expect((await rest.send("GET", "/health")).status).toBe(200);
});

test("GET / answers an HTML page", async () => {
  const answer = await rest.send("GET", "/");
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toMatch(/^text\/html/);
});

test.each([
  [10, "10.0000"],
  [10.5, "10.5000"],
  [0.0001, "0.0001"],
  [99_999_999_999.25, "99999999999.2500"],
])("the JSON number %d is an amount like its string", async (amount, balance) => {
  const wallet = await rest.wallet("alice");
  const funded = await rest.send("POST", `/wallets/${wallet.id}/fund`, { amount });
  expect([funded.status, walletOf(funded).balance]).toEqual([200, balance]);
  const to_wallet_id = (await rest.wallet("bob")).id;
  const moved = await rest.send("POST", `/wallets/${wallet.id}/transfer`, { to_wallet_id, amount });
  expect([moved.status, walletOf(moved).balance]).toEqual([200, balance]);
});

test("unknown fields in a body are ignored", async () => {
  const created = await rest.send("POST", "/wallets", { user_id: "alice", balance: "9", x: {} });
  expect(walletOf(created).balance).toBe("0.0000");
  const body = { amount: "1", note: [1, 2], user_id: 7 };
  expect((await rest.send("POST", `/wallets/${walletOf(created).id}/fund`, body)).status).toBe(200);
});

test("an id in upper case, in the path and in the body, is the same wallet", async () => {
  const from = await rest.wallet("alice", "10");
  const to = await rest.wallet("bob");
  const path = `/wallets/${from.id.toUpperCase()}`;
  expect((await rest.send("GET", path)).body).toMatchObject({ id: from.id });
  const body = { to_wallet_id: to.id.toUpperCase(), amount: "1" };
  expect((await rest.send("POST", `${path}/transfer`, body)).body).toMatchObject({ id: to.id });
  const same = { to_wallet_id: from.id, amount: "1" };
  expectProblem(await rest.send("POST", `${path}/transfer`, same), 400, { reason: "SAME_WALLET" });
});

test.each(["0", "0.00", "-5", "-0.5", 0, -5, -0.00001])(
  "the amount %j is refused: Amount must be greater than zero",
  async (amount) => {
    const wallet = await rest.wallet("alice", "10");
    const detail = "Amount must be greater than zero";
    const problem = { detail, reason: "INVALID_FIELD", errors: [{ field: "amount", detail }] };
    const body = { to_wallet_id: (await rest.wallet("bob")).id, amount };
    expectProblem(await rest.send("POST", `/wallets/${wallet.id}/fund`, { amount }), 400, problem);
    expectProblem(await rest.send("POST", `/wallets/${wallet.id}/transfer`, body), 400, problem);
    expect(await reread(wallet)).toEqual(wallet);
  },
);

test("a transfer to the same wallet is refused: Cannot transfer to the same wallet", async () => {
  const wallet = await rest.wallet("alice", "10");
  const body = { to_wallet_id: wallet.id, amount: "1" };
  const answer = await rest.send("POST", `/wallets/${wallet.id}/transfer`, body);
  const detail = "Cannot transfer to the same wallet";
  expectProblem(answer, 400, { detail, reason: "SAME_WALLET" });
});

test("a transfer of more than there is is refused: Insufficient balance", async () => {
  const from = await rest.wallet("alice", "10");
  const to = await rest.wallet("bob");
  const body = { to_wallet_id: to.id, amount: "10.0001" };
  const answer = await rest.send("POST", `/wallets/${from.id}/transfer`, body);
  expectProblem(answer, 400, { detail: "Insufficient balance", reason: "INSUFFICIENT_BALANCE" });
  expect([await reread(from), await reread(to)]).toEqual([from, to]);
});

test("an unknown wallet, sender or receiver, is 404: Wallet not found", async () => {
  const known = await rest.wallet("alice", "10");
  const unknown = randomUUID();
  const problem = { detail: "Wallet not found", reason: "WALLET_NOT_FOUND" };
  const to = (to_wallet_id: string): object => ({ to_wallet_id, amount: "1" });
  const answers = [
    await rest.send("GET", `/wallets/${unknown}`),
    await rest.send("POST", `/wallets/${unknown}/fund`, { amount: "1" }),
    await rest.send("POST", `/wallets/${unknown}/transfer`, to(known.id)),
    await rest.send("POST", `/wallets/${known.id}/transfer`, to(unknown)),
  ];
  for (const answer of answers) expectProblem(answer, 404, problem);
  expect(await reread(known)).toEqual(known);
});

test.each(["1", "not-a-uuid", `${randomUUID()}0`, `{${randomUUID()}}`, "%00", "a".repeat(500)])(
  "the malformed id %s in a path is 404: Wallet not found",
  async (id) => {
    const problem = { detail: "Wallet not found", reason: "WALLET_NOT_FOUND" };
    const body = { to_wallet_id: randomUUID(), amount: "1" };
    expectProblem(await rest.send("GET", `/wallets/${id}`), 404, problem);
    expectProblem(await rest.send("POST", `/wallets/${id}/fund`, body), 404, problem);
    expectProblem(await rest.send("POST", `/wallets/${id}/transfer`, body), 404, problem);
  },
);

test.each(["", "{", '{"user_id":"alice"', "nonsense"])("the body %j is 400", async (body) => {
  expectProblem(await rest.send("POST", "/wallets", body), 400, { reason: "MALFORMED_BODY" });
});

test.each([
  ["/wallets", {}, "user_id"],
  ["/wallets", { user_id: 7 }, "user_id"],
  ["/wallets", { user_id: null }, "user_id"],
  ["/fund", {}, "amount"],
  ["/fund", { amount: true }, "amount"],
  ["/fund", { amount: null }, "amount"],
  ["/fund", { amount: ["1"] }, "amount"],
  ["/transfer", { amount: "1" }, "to_wallet_id"],
  ["/transfer", { to_wallet_id: randomUUID() }, "amount"],
  ["/transfer", { amount: "1", to_wallet_id: 7 }, "to_wallet_id"],
  ["/transfer", { amount: "1", to_wallet_id: "not-a-uuid" }, "to_wallet_id"],
])("POST %s with %j is 400 and blames %s", async (route, body, field) => {
  const { id } = await rest.wallet("alice", "10");
  const path = route === "/wallets" ? route : `/wallets/${id}${route}`;
  const blame = { field, detail: expect.any(String) };
  const problem = { reason: "INVALID_FIELD", detail: expect.stringContaining(field) };
  expectProblem(await rest.send("POST", path, body), 400, { ...problem, errors: [blame] });
});

test("another content type is 415, where the earlier version answered 400", async () => {
  const headers = { "Content-Type": "text/plain" };
  const answer = await rest.send("POST", "/wallets", '{"user_id":"alice"}', headers);
  expectProblem(answer, 415, { reason: "UNSUPPORTED_MEDIA_TYPE" });
});

test("32 fundings of one wallet at once all succeed, and the sum is right", async () => {
  const wallet = await rest.wallet("alice");
  const fund = () => rest.send("POST", `/wallets/${wallet.id}/fund`, { amount: "1.25" });
  const answers = await Promise.all(Array.from({ length: 32 }, fund));
  expect(answers.map(({ status }) => status)).toEqual(Array(32).fill(200));
  const versions = answers.map((answer) => walletOf(answer).version);
  expect(new Set(versions).size).toBe(32);
  expect(await reread(wallet)).toMatchObject({ balance: "40.0000", version: 32 });
});

test("a transfer checks the amount, then the wallets' difference, existence and balance", async () => {
  const poor = await rest.wallet("alice");
  const unknown = randomUUID();
  const transfer = (from: string, to_wallet_id: string, amount: string) =>
    rest.send("POST", `/wallets/${from}/transfer`, { to_wallet_id, amount });
  const reason = async (from: string, to: string, amount: string): Promise<unknown> => {
    const { body } = await transfer(from, to, amount);
    return typeof body === "object" && body !== null && "reason" in body ? body.reason : body;
  };
  expect(await reason(unknown, unknown, "0")).toBe("INVALID_FIELD");
  expect(await reason(unknown, unknown, "1")).toBe("SAME_WALLET");
  expect(await reason(poor.id, unknown, "1")).toBe("WALLET_NOT_FOUND");
  expect(await reason(poor.id, (await rest.wallet("bob")).id, "1")).toBe("INSUFFICIENT_BALANCE");
});
