import { v7 } from "uuid";
import { afterAll, beforeAll, expect, test } from "vitest";
import { formatAmount } from "../src/money.ts";
import { type Command, fund, transfer } from "../src/wallet.ts";
import { accepted, amountOf, createEngineBed, type EngineBed, submit } from "./test-engine.ts";

let bed: EngineBed;
beforeAll(async () => {
  bed = await createEngineBed();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

function creation(userId = "alice", currency = "USD"): Command {
  return { kind: "walletCreated", walletId: v7(), userId, currency };
}

test("a wallet is created, funded and pays another one", async () => {
  const engine = bed.replica();
  const alice = (await accepted(engine, creation())).wallets[0]?.id ?? "";
  const bob = (await accepted(engine, creation("bob"))).wallets[0]?.id ?? "";
  await accepted(engine, fund(alice, amountOf("100")));
  const answer = await accepted(engine, transfer(alice, bob, amountOf("25.5")), "first");
  expect(answer.wallets.map(({ balance }) => formatAmount(balance))).toEqual([
    "74.5000",
    "25.5000",
  ]);
  const repeat = await accepted(engine, transfer(alice, bob, amountOf("25.5")), "first");
  expect(repeat).toMatchObject({ transactionId: answer.transactionId, position: answer.position });
  const refused = await submit(engine, transfer(alice, bob, amountOf("1000")));
  expect(refused).toEqual({ refusal: { reason: "INSUFFICIENT_BALANCE", walletId: alice } });
});
