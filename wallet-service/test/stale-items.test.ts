import { v7 } from "uuid";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { InputReaders } from "../src/command-inputs.ts";
import type { CommandOutcome } from "../src/command-outcome.ts";
import { type Command, transfer } from "../src/decide/command.ts";
import { formatAmount } from "../src/money.ts";
import type { WalletEngine } from "../src/wallet-engine.ts";
import { type Books, openBooks } from "./books.ts";
import {
  accepted,
  amountOf,
  createEngineBed,
  type EngineBed,
  submit,
  untilBlocked,
  walletWith,
} from "./test-engine.ts";

let bed: EngineBed;
let books: Books;
let engine: WalletEngine;
let payer: string;
let payee: string;
beforeAll(async () => {
  bed = await createEngineBed();
  books = openBooks(bed);
  engine = bed.replica();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});
beforeEach(async () => {
  payer = await walletWith(engine, "100");
  payee = await walletWith(engine, "100");
});

/**
 * Submits one command and, while its commit waits for a lock, another one to the same replica: what
 * decides it beside wallets is read before the first has committed, its wallets are known from then.
 *
 * @param read reads what the second command reads, so that it has been read
 */
async function oneBehindTheOther(
  first: Command,
  second: Command,
  read: (readers: InputReaders) => Promise<unknown>,
): Promise<CommandOutcome[]> {
  const { owner } = bed;
  const locker = await owner.reserve();
  await locker`begin`;
  await locker`select 1 from wallets where id = ${payer} for update`;
  // One that has lost no race yet, and so does not lock first.
  const replica = bed.replica();
  const one = submit(replica, first);
  await untilBlocked(bed, 1);
  const other = submit(replica, second);
  await read(replica.readers);
  await locker`commit`;
  locker.release();
  return await Promise.all([one, other]);
}

function said(outcome: CommandOutcome): string {
  return "refusal" in outcome ? outcome.refusal.reason : "ok";
}

async function balanceOf(walletId: string): Promise<string> {
  const wallet = await engine.readers.wallets.read(walletId);
  return wallet === undefined ? "" : formatAmount(wallet.balance);
}

test("a hold that was read before another capture of it is not captured by what was read", async () => {
  const holdId = v7();
  const amount = amountOf("10");
  const expireTimeMs = Date.now() + 3_600_000;
  const place = { kind: "placeHold", walletId: payer, amount, expireTimeMs } as const;
  await accepted(engine, { ...place, holdId });
  // Another hold, so that not even what is held would fall below zero.
  await accepted(engine, { ...place, holdId: v7() });
  const payments = [{ to: { walletId: payee }, amount: amountOf("6") }];
  const capture = { kind: "captureHold", holdId, payments, keepRemaining: true } as const;
  const outcomes = await oneBehindTheOther(capture, capture, (readers) => {
    return readers.holds.read(holdId);
  });
  expect(outcomes.map(said)).toEqual(["ok", "HOLD_AMOUNT_EXCEEDED"]);
  expect(await balanceOf(payee)).toBe("106.0000");
  await books.check();
});

test("what was reversed is not reversed again by what was read before", async () => {
  const { transactionId } = await accepted(engine, transfer(payer, payee, amountOf("10")));
  const legs = [{ index: 0, amount: amountOf("6") }];
  const reverse = { kind: "reverseTransaction", transactionId, legs } as const;
  const read = (readers: InputReaders) => readers.reversals.read(transactionId);
  const firstOnes = await oneBehindTheOther(reverse, reverse, read);
  expect(firstOnes.map(said)).toEqual(["ok", "ALREADY_REVERSED"]);
  const less = { ...reverse, legs: [{ index: 0, amount: amountOf("3") }] };
  const laterOnes = await oneBehindTheOther(less, less, read);
  expect(laterOnes.map(said)).toEqual(["ok", "ALREADY_REVERSED"]);
  expect(await balanceOf(payee)).toBe("101.0000");
  await books.check();
});

test("metadata that were read before they changed are not written back", async () => {
  const update = { kind: "updateWallet", walletId: payer } as const;
  const read = (readers: InputReaders) => readers.metadata.read(payer);
  for (const tier of ["silver", "gold"]) {
    const outcomes = await oneBehindTheOther(
      { ...update, metadata: { tier } },
      { ...update, transferLimit: amountOf("5") },
      read,
    );
    const [, second] = outcomes;
    if (second === undefined || "refusal" in second) throw new Error("An update was refused.");
    expect(second.answer.items.settings?.metadata).toEqual({ tier });
    expect((await read(engine.readers))?.metadata).toEqual({ tier });
  }
  await books.check();
});
