import { afterAll, beforeAll, expect, test } from "vitest";
import { expectProblem, type RestService, startRestService, walletOf } from "./rest-service.ts";

let rest: RestService;

beforeAll(async () => {
  rest = await startRestService();
});

afterAll(() => rest[Symbol.asyncDispose]());

test("a new wallet is answered with its path and its ETag", async () => {
  const created = await rest.send("POST", "/wallets", { user_id: "alice" });
  const { id } = walletOf(created);
  expect(created.headers.get("location")).toBe(`/wallets/${id}`);
  expect(created.headers.get("etag")).toBe('"0"');
});

test("the ETag is the version where the answer is the wallet of the path, and nowhere else", async () => {
  const from = await rest.wallet("alice", "10");
  const to = await rest.wallet("bob");
  const read = await rest.send("GET", `/wallets/${from.id}`);
  expect(read.headers.get("etag")).toBe('"1"');
  const funded = await rest.send("POST", `/wallets/${from.id}/fund`, { amount: "1" });
  expect(funded.headers.get("etag")).toBe('"2"');
  const body = { to_wallet_id: to.id, amount: "1" };
  const moved = await rest.send("POST", `/wallets/${from.id}/transfer`, body);
  expect([moved.status, moved.headers.get("etag")]).toEqual([200, null]);
});

test("If-Match with the current version acts, and with another one is 412", async () => {
  const { id } = await rest.wallet("alice");
  const fund = (ifMatch: string) =>
    rest.send("POST", `/wallets/${id}/fund`, { amount: "1" }, { "If-Match": ifMatch });
  expect((await fund('"0"')).headers.get("etag")).toBe('"1"');
  expectProblem(await fund('"0"'), 412, { reason: "VERSION_CONFLICT" });
  expectProblem(await fund('"2"'), 412, { reason: "VERSION_CONFLICT" });
  expect((await fund("*")).status).toBe(200);
  expect((await rest.send("GET", `/wallets/${id}`)).body).toMatchObject({ balance: "2.0000" });
});

test("If-Match on a transfer is about the wallet that pays", async () => {
  const from = await rest.wallet("alice", "10");
  const to = await rest.wallet("bob");
  const body = { to_wallet_id: to.id, amount: "1" };
  const transfer = (ifMatch: string) =>
    rest.send("POST", `/wallets/${from.id}/transfer`, body, { "If-Match": ifMatch });
  expectProblem(await transfer('"0"'), 412, { reason: "VERSION_CONFLICT" });
  expect((await transfer('"1"')).status).toBe(200);
});

test("of two writers that have seen the same version, one wins and one is told 412", async () => {
  const { id } = await rest.wallet("alice");
  const fund = () =>
    rest.send("POST", `/wallets/${id}/fund`, { amount: "1" }, { "If-Match": '"0"' });
  const statuses = (await Promise.all([fund(), fund()])).map(({ status }) => status);
  expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 412]);
});

test("a repeat with its key is answered before it can conflict", async () => {
  const { id } = await rest.wallet("alice");
  const headers = { "If-Match": '"0"', "Idempotency-Key": "once" };
  const fund = () => rest.send("POST", `/wallets/${id}/fund`, { amount: "1" }, headers);
  const first = await fund();
  expect([(await fund()).body, first.status]).toEqual([first.body, 200]);
});

test("If-None-Match with the current ETag is answered 304 without a body", async () => {
  const { id } = await rest.wallet("alice");
  const read = (tag: string) =>
    rest.send("GET", `/wallets/${id}`, undefined, { "If-None-Match": tag });
  const unchanged = await read('"0"');
  expect([unchanged.status, unchanged.body]).toEqual([304, undefined]);
  expect(unchanged.headers.get("etag")).toBe('"0"');
  expect((await read('"1"')).status).toBe(200);
});

test("HEAD answers the headers of GET without a body", async () => {
  const { id } = await rest.wallet("alice");
  const head = await rest.send("HEAD", `/wallets/${id}`);
  const get = await rest.send("GET", `/wallets/${id}`);
  expect([head.status, head.body, head.headers.get("etag")]).toEqual([200, undefined, '"0"']);
  expect(head.headers.get("content-length")).toBe(get.headers.get("content-length"));
  expect((await rest.send("HEAD", "/wallets")).status).toBe(200);
});
