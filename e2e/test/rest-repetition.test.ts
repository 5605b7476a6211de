import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  expectProblem,
  type RestService,
  startRestService,
  walletOf,
  walletsOf,
} from "./rest-service.ts";

let rest: RestService;

beforeAll(async () => {
  rest = await startRestService();
});

afterAll(() => rest[Symbol.asyncDispose]());

function keyed(): { "Idempotency-Key": string } {
  return { "Idempotency-Key": randomUUID() };
}

test("a mutation answers its transaction and its position, dense in the journal", async () => {
  const created = await rest.send("POST", "/wallets", { user_id: "alice" });
  const path = `/wallets/${walletOf(created).id}/fund`;
  const funded = await rest.send("POST", path, { amount: "1" });
  expect(created.headers.get("transaction-id")).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
  expect(funded.headers.get("transaction-id")).not.toBe(created.headers.get("transaction-id"));
  const position = Number(created.headers.get("position"));
  expect(Number(funded.headers.get("position"))).toBe(position + 1);
});

test("a transfer repeated with its key moves money once and answers the same", async () => {
  const from = await rest.wallet("alice", "10");
  const to = await rest.wallet("bob");
  const path = `/wallets/${from.id}/transfer`;
  const headers = keyed();
  const first = await rest.send("POST", path, { to_wallet_id: to.id, amount: "4" }, headers);
  // The same input, written otherwise.
  const body = { amount: 4.0, to_wallet_id: to.id.toUpperCase(), note: "again" };
  const again = await rest.send(
    "POST",
    path.replace(from.id, from.id.toUpperCase()),
    body,
    headers,
  );
  expect([again.status, again.body]).toEqual([200, first.body]);
  for (const name of ["transaction-id", "position"]) {
    expect(again.headers.get(name)).toBe(first.headers.get(name));
  }
  const { body: sender } = await rest.send("GET", `/wallets/${from.id}`);
  expect(sender).toMatchObject({ balance: "6.0000", version: from.version + 1 });
});

test("a wallet created twice with one key is one wallet", async () => {
  const headers = keyed();
  const create = () => rest.send("POST", "/wallets", { user_id: "erin" }, headers);
  const answers = await Promise.all([create(), create(), create()]);
  expect(new Set(answers.map((answer) => walletOf(answer).id)).size).toBe(1);
  expect(answers.map(({ status }) => status)).toEqual([201, 201, 201]);
  expect(walletsOf(await rest.send("GET", "/users/erin/wallets"))).toHaveLength(1);
});

test("a funding repeated with its key after others answers what it answered first", async () => {
  const { id } = await rest.wallet("alice");
  const headers = keyed();
  const first = await rest.send("POST", `/wallets/${id}/fund`, { amount: "1" }, headers);
  await rest.send("POST", `/wallets/${id}/fund`, { amount: "2" });
  const again = await rest.send("POST", `/wallets/${id}/fund`, { amount: "1" }, headers);
  expect(again.body).toEqual(first.body);
  expect(again.headers.get("etag")).toBe('"1"');
  expect((await rest.send("GET", `/wallets/${id}`)).body).toMatchObject({ balance: "3.0000" });
});

test("a key with other input is 422, and the first answer stands", async () => {
  const { id } = await rest.wallet("alice");
  const headers = keyed();
  await rest.send("POST", `/wallets/${id}/fund`, { amount: "1" }, headers);
  const other = await rest.send("POST", `/wallets/${id}/fund`, { amount: "2" }, headers);
  expectProblem(other, 422, { reason: "REQUEST_ID_REUSED" });
  expect((await rest.send("GET", `/wallets/${id}`)).body).toMatchObject({ balance: "1.0000" });
});

test("a refused request does not use up its key", async () => {
  const from = await rest.wallet("alice", "1");
  const to = await rest.wallet("bob");
  const headers = keyed();
  const transfer = () =>
    rest.send(
      "POST",
      `/wallets/${from.id}/transfer`,
      { to_wallet_id: to.id, amount: "5" },
      headers,
    );
  expectProblem(await transfer(), 400, { reason: "INSUFFICIENT_BALANCE" });
  await rest.send("POST", `/wallets/${from.id}/fund`, { amount: "9" });
  expect((await transfer()).status).toBe(200);
});

test("a key of 255 characters is accepted", async () => {
  const headers = { "Idempotency-Key": "k".repeat(255) };
  expect((await rest.send("POST", "/wallets", { user_id: "alice" }, headers)).status).toBe(201);
});
