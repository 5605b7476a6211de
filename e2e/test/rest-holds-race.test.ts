import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../src/test-database.ts";
import { inMs, type OperationBed, startOperationBed } from "./rest-operation.ts";
import type { RestAnswer } from "./rest-service.ts";

// Two gateways before two replicas over one database.

const rounds = 25;
let database: TestDatabase;
let one: OperationBed;
let two: OperationBed;
let aheadMs = 0;
const now = (): number => Date.now() + aheadMs;

beforeAll(async () => {
  database = await createTestDatabase();
  one = await startOperationBed({ database, now });
  two = await startOperationBed({ database, now });
});

afterAll(async () => {
  await two[Symbol.asyncDispose]();
  await one[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

test("of two captures of one hold at two replicas one wins, and the other is decided again", async () => {
  const shop = await one.wallet("shop");
  const body = { to_wallet_id: shop.id, amount: "6" };
  for (let round = 0; round < rounds; round += 1) {
    const alice = await one.wallet("alice", "10");
    const path = `/holds/${(await one.hold(alice, "6")).id}/capture`;
    const answers = await Promise.all([one, two].map((bed) => bed.ask({ path, body })));
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 400]);
    expect(reasonsOf(answers)).toEqual(["HOLD_CAPTURED"]);
    expect(await two.read(alice)).toMatchObject({ balance: "4.0000", held: "0.0000" });
  }
  expect(await one.read(shop)).toMatchObject({ balance: `${rounds * 6}.0000` });
});

test("a capture and the expiry at once: one of both, never both and never neither", async () => {
  const shop = await one.wallet("shop");
  const body = { to_wallet_id: shop.id, amount: "6" };
  for (let round = 0; round < 5; round += 1) {
    const alice = await one.wallet("alice", "10");
    const expireTime = inMs(3_600_000, now);
    const { id } = await one.hold(alice, "6", expireTime);
    const capturing = one.ask({ path: `/holds/${id}/capture`, body });
    aheadMs += Date.parse(expireTime) - now();
    const { status, body: answer } = await capturing;
    await expect
      .poll(async () => (await two.send("GET", `/holds/${id}`)).body, { timeout: 5_000 })
      .toMatchObject({ status: status === 200 ? "CAPTURED" : "EXPIRED" });
    if (status !== 200) expect(answer).toMatchObject({ reason: "HOLD_EXPIRED" });
    const balance = status === 200 ? "4.0000" : "10.0000";
    expect(await two.read(alice)).toMatchObject({ balance, held: "0.0000" });
  }
});

function reasonsOf(answers: readonly RestAnswer[]): unknown[] {
  return answers.flatMap(({ body }) => (Object(body).reason ? [Object(body).reason] : []));
}
