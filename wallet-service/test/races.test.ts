import { v7 } from "uuid";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import type { CommandOutcome } from "../src/command-outcome.ts";
import { type Command, fund, transfer } from "../src/decide/command.ts";
import { formatAmount } from "../src/money.ts";
import type { WalletEngine } from "../src/wallet-engine.ts";
import { type Books, openBooks } from "./books.ts";
import {
  accepted,
  amountOf,
  createEngineBed,
  type EngineBed,
  submit,
  walletWith,
} from "./test-engine.ts";

const rounds = inject("raceRounds");
const roundsAtOnce = 20;
const timeoutMs = 1_200_000;
const hourMs = 3_600_000;
const tooMuch = amountOf("1000000");

// Holds of the race against expiry end at this moment of the replicas' clocks.
const endMs = Date.now() + hourMs;

let bed: EngineBed;
let books: Books;
let here: WalletEngine;
let there: WalletEngine;
const clocks = { here: endMs - 1, there: endMs - 1 };
beforeAll(async () => {
  bed = await createEngineBed();
  books = openBooks(bed);
  here = bed.replica({ now: () => clocks.here });
  there = bed.replica({ now: () => clocks.there });
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

/** What one round begins with. */
interface Start {
  readonly payer: string;
  readonly payee: string;
  /** A hold of the payer's whole money. */
  readonly holdId: string;
  /** A transfer of 5 from payer to payee, made before. */
  readonly transactionId: string;
}

interface Race {
  /** What runs on one replica, and on the other. */
  readonly one: (start: Start) => Command;
  readonly other: (start: Start) => Command;
  /** What the clock of the other one's replica says; a moment before the holds end otherwise. */
  readonly otherMs?: number;
  /** What both say, "ok" or the reason; any other pair is wrong. */
  readonly allowed: readonly string[];
  /** The balances of payer and payee that go with it. */
  readonly balances: Readonly<Record<string, string>>;
}

async function prepare(): Promise<Start> {
  const [payer, payee] = await Promise.all([walletWith(here, "15"), walletWith(here)]);
  const { transactionId } = await accepted(here, transfer(payer, payee, amountOf("5")));
  const holdId = v7();
  return { payer, payee, holdId, transactionId };
}

async function prepareWithHold(): Promise<Start> {
  const start = await prepare();
  const { payer: walletId, holdId } = start;
  const amount = amountOf("10");
  await accepted(here, { kind: "placeHold", holdId, walletId, amount, expireTimeMs: endMs });
  return start;
}

function said(outcome: CommandOutcome): string {
  return "refusal" in outcome ? outcome.refusal.reason : "ok";
}

async function balanceOf(walletId: string): Promise<string> {
  const wallet = await here.readers.wallets.read(walletId);
  return wallet === undefined ? "" : formatAmount(wallet.balance);
}

/** Runs one round: both at once, each side on either replica, each submitted a little earlier. */
async function runRound(race: Race, start: Start, round: number): Promise<string> {
  const swapped = round % 4 < 2;
  clocks[swapped ? "here" : "there"] = race.otherMs ?? endMs - 1;
  const one = () => submit(swapped ? there : here, race.one(start));
  const other = () => submit(swapped ? here : there, race.other(start));
  const submitted =
    round % 2 === 0 ? { one: one(), other: other() } : { other: other(), one: one() };
  const outcomes = [await submitted.one, await submitted.other];
  clocks.here = endMs - 1;
  clocks.there = endMs - 1;
  const both = outcomes.map(said).join(" | ");
  const balances = [await balanceOf(start.payer), await balanceOf(start.payee)].join(" | ");
  expect([both, balances]).toEqual([both, race.balances[both]]);
  return both;
}

/** Runs all rounds; every outcome that is allowed must occur, and no other. */
async function run(race: Race, prepareRound: () => Promise<Start>): Promise<void> {
  const seen = new Map<string, number>();
  for (let round = 0; round < rounds; round += roundsAtOnce) {
    const starts = await Promise.all(Array.from({ length: roundsAtOnce }, prepareRound));
    // What was refused is known to who refused it: both replicas begin with the same knowledge.
    await Promise.all(
      starts.map(({ payer, payee }) => submit(there, transfer(payer, payee, tooMuch))),
    );
    for (const [index, start] of starts.entries()) {
      const both = await runRound(race, start, round + index);
      seen.set(both, (seen.get(both) ?? 0) + 1);
    }
  }
  expect([...seen.keys()].sort(byText)).toEqual([...race.allowed].sort(byText));
  await books.check();
}

function byText(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

function capture({ holdId, payee }: Start): Command {
  const payments = [{ to: { walletId: payee }, amount: amountOf("10") }];
  return { kind: "captureHold", holdId, payments, keepRemaining: false };
}

function reverse({ transactionId }: Start, text?: string): Command {
  const legs = text === undefined ? [] : [{ index: 0, amount: amountOf(text) }];
  return { kind: "reverseTransaction", transactionId, legs };
}

const captured = "0.0000 | 15.0000";
const untouched = "10.0000 | 5.0000";

describe("of two replicas at once", () => {
  test(
    "two captures of one hold: one pays, the other is told HOLD_CAPTURED",
    async () => {
      const race: Race = {
        one: capture,
        other: capture,
        allowed: ["ok | HOLD_CAPTURED", "HOLD_CAPTURED | ok"],
        balances: { "ok | HOLD_CAPTURED": captured, "HOLD_CAPTURED | ok": captured },
      };
      await run(race, prepareWithHold);
    },
    timeoutMs,
  );

  test(
    "a capture and a release: the one or the other",
    async () => {
      const race: Race = {
        one: capture,
        other: ({ holdId }) => ({ kind: "releaseHold", holdId, expired: false }),
        allowed: ["ok | HOLD_CAPTURED", "HOLD_RELEASED | ok"],
        balances: { "ok | HOLD_CAPTURED": captured, "HOLD_RELEASED | ok": untouched },
      };
      await run(race, prepareWithHold);
    },
    timeoutMs,
  );

  test(
    "a capture and the expiry, with clocks on both sides of it: the one or the other",
    async () => {
      const race: Race = {
        one: capture,
        other: ({ holdId }) => ({ kind: "releaseHold", holdId, expired: true }),
        otherMs: endMs,
        allowed: ["ok | HOLD_CAPTURED", "HOLD_EXPIRED | ok"],
        balances: { "ok | HOLD_CAPTURED": captured, "HOLD_EXPIRED | ok": untouched },
      };
      await run(race, prepareWithHold);
    },
    timeoutMs,
  );

  test(
    "two reversals, whole or in parts that exceed it: one takes back, the other nothing",
    async () => {
      const balances = {
        "ok | ALREADY_REVERSED": "15.0000 | 0.0000",
        "ALREADY_REVERSED | ok": "15.0000 | 0.0000",
      };
      const whole: Race = {
        one: (start) => reverse(start),
        other: (start) => reverse(start),
        allowed: ["ok | ALREADY_REVERSED", "ALREADY_REVERSED | ok"],
        balances,
      };
      await run(whole, prepare);
      const partly = "15.0000 | 2.0000";
      const parts: Race = {
        one: (start) => reverse(start, "3"),
        other: (start) => reverse(start, "3"),
        allowed: ["ok | ALREADY_REVERSED", "ALREADY_REVERSED | ok"],
        balances: { "ok | ALREADY_REVERSED": partly, "ALREADY_REVERSED | ok": partly },
      };
      await run(parts, async () => {
        const start = await prepare();
        // So that less is left than both want, while the receiver could pay both.
        await accepted(here, fund(start.payee, amountOf("2")));
        await accepted(here, transfer(start.payee, start.payer, amountOf("2")));
        return start;
      });
    },
    timeoutMs,
  );

  test(
    "closing and an incoming transfer: the one or the other, or what came in is swept",
    async () => {
      const race: Race = {
        one: ({ payee }) => transfer(payee, payee, amountOf("1")),
        other: ({ payee }) => ({ kind: "closeWallet", walletId: payee, reason: "" }),
        allowed: [],
        balances: {},
      };
      const incoming = ({ payer, payee }: Start): Command => transfer(payer, payee, amountOf("10"));
      const emptied = async (): Promise<Start> => {
        const start = await prepare();
        await accepted(here, transfer(start.payee, start.payer, amountOf("5")));
        return start;
      };
      await run(
        {
          ...race,
          one: incoming,
          allowed: ["ok | WALLET_NOT_EMPTY", "WALLET_CLOSED | ok"],
          balances: {
            "ok | WALLET_NOT_EMPTY": "5.0000 | 10.0000",
            "WALLET_CLOSED | ok": "15.0000 | 0.0000",
          },
        },
        emptied,
      );
      await run(
        {
          ...race,
          one: incoming,
          other: ({ payee }) => {
            const sweepTo = { account: "bank" };
            return { kind: "closeWallet", walletId: payee, sweepTo, reason: "" };
          },
          allowed: ["ok | ok", "WALLET_CLOSED | ok"],
          balances: { "ok | ok": "5.0000 | 0.0000", "WALLET_CLOSED | ok": "15.0000 | 0.0000" },
        },
        emptied,
      );
    },
    timeoutMs,
  );

  test(
    "freezing and a transfer: the transfer came before, or is told WALLET_FROZEN",
    async () => {
      const race: Race = {
        one: ({ payer, payee }) => transfer(payer, payee, amountOf("10")),
        other: ({ payer }) => {
          return { kind: "changeStatus", walletId: payer, status: "FROZEN", reason: "" };
        },
        allowed: ["ok | ok", "WALLET_FROZEN | ok"],
        balances: { "ok | ok": captured, "WALLET_FROZEN | ok": untouched },
      };
      await run(race, prepare);
    },
    timeoutMs,
  );
});
