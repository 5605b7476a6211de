import { describe, expect, test } from "vitest";
import {
  amount,
  changesOf,
  decideOn,
  decisionOf,
  nowMs,
  wallet,
} from "../../test/decision-steps.ts";
import { balanceMax, formatAmount, zero } from "../money.ts";
import type { HoldState, Outcome, PostedTransaction } from "../wallet.ts";
import { type Command, fund, transfer } from "./command.ts";

test("a transfer takes from one wallet what it gives to the other", () => {
  const outcome = decideOn([wallet("a", "10"), wallet("b", "1")], transfer("a", "b", amount("4")));
  expect(changesOf(outcome)).toEqual(["a -4.0000 → 6.0000 v4", "b 4.0000 → 5.0000 v4"]);
});

test("a funding comes from the account external", () => {
  const outcome = decideOn([wallet("a", "10")], fund("a", amount("0.0001")));
  expect(changesOf(outcome)).toEqual(["a 0.0001 → 10.0001 v4"]);
  expect("decision" in outcome && outcome.decision.legs[0]?.from).toEqual({ account: "external" });
});

test("a new wallet is empty, at version 0", () => {
  const outcome = decideOn([], {
    kind: "createWallet",
    walletId: "a",
    userId: "alice",
    currency: "EUR",
  });
  expect(changesOf(outcome)).toEqual(["a 0.0000 → 0.0000 v0"]);
});

test("a wallet in several legs is netted: one change, and only the final balance counts", () => {
  const legs = [
    { from: { walletId: "a" }, to: { walletId: "b" }, amount: amount("7") },
    { from: { walletId: "b" }, to: { walletId: "c" }, amount: amount("2") },
    { from: { walletId: "c" }, to: { walletId: "a" }, amount: amount("3") },
  ];
  const wallets = [wallet("a", "5"), wallet("b", "0"), wallet("c", "1")];
  expect(changesOf(decideOn(wallets, { kind: "post", legs }))).toEqual([
    "a -4.0000 → 1.0000 v4",
    "b 5.0000 → 5.0000 v4",
    "c -1.0000 → 0.0000 v4",
  ]);
});

test("an event never happens before the last change of a wallet in it", () => {
  const later = nowMs + 60_000;
  const wallets = [wallet("a", "10"), wallet("b", "1", { updateTimeMs: later })];
  const outcome = decideOn(wallets, transfer("a", "b", amount("4")));
  const { occurredAtMs, changes } = decisionOf(outcome);
  expect(occurredAtMs).toBe(later);
  for (const { after } of changes) expect(after.updateTimeMs).toBe(later);
});

describe("refusals", () => {
  const rich = wallet("rich", formatAmount(balanceMax));
  const held = wallet("held", "10", { held: amount("8") });
  const euro = wallet("euro", "10", { currency: "EUR" });
  const all = [wallet("a", "10"), wallet("b", "1"), rich, held, euro];

  test.each<[string, Command, string]>([
    ["more than there is", transfer("a", "b", amount("10.0001")), "INSUFFICIENT_BALANCE"],
    ["money that is held", transfer("held", "b", amount("2.0001")), "INSUFFICIENT_BALANCE"],
    ["into a full wallet", transfer("a", "rich", amount("0.0001")), "BALANCE_LIMIT"],
    ["funding a full wallet", fund("rich", amount("0.0001")), "BALANCE_LIMIT"],
    ["an unknown sender", transfer("x", "b", amount("1")), "WALLET_NOT_FOUND"],
    ["an unknown receiver", transfer("a", "x", amount("1")), "WALLET_NOT_FOUND"],
    ["funding an unknown wallet", fund("x", amount("1")), "WALLET_NOT_FOUND"],
    ["to the same wallet", transfer("a", "a", amount("1")), "SAME_WALLET"],
    ["to the same unknown wallet", transfer("x", "x", amount("1")), "SAME_WALLET"],
    ["between currencies", transfer("a", "euro", amount("1")), "CURRENCY_MISMATCH"],
    ["another version", transfer("a", "b", amount("1"), 2n), "VERSION_CONFLICT"],
    ["version 0 of a later one", fund("a", amount("1"), 0n), "VERSION_CONFLICT"],
    ["another version and too much", transfer("a", "b", amount("99"), 2n), "VERSION_CONFLICT"],
    ["an unknown receiver and version", transfer("a", "x", amount("1"), 2n), "WALLET_NOT_FOUND"],
  ])("%s", (_, command, reason) => {
    expect(changesOf(decideOn(all, command))).toEqual([reason]);
  });

  test.each<[string, Command]>([
    ["all there is", transfer("a", "b", amount("10"))],
    ["all that is not held", transfer("held", "b", amount("2"))],
    ["the sender's version", transfer("a", "b", amount("1"), 3n)],
    ["the funded wallet's version", fund("a", amount("1"), 3n)],
  ])("not for %s", (_, command) => {
    expect(decideOn(all, command)).toHaveProperty("decision");
  });
});

describe("holds", () => {
  const hold: HoldState = {
    id: "h",
    walletId: "a",
    currency: "USD",
    amount: amount("6"),
    captured: amount("1"),
    status: "OPEN",
    createTimeMs: nowMs - 60_000,
    expireTimeMs: nowMs,
  };
  const payer = wallet("a", "10", { held: amount("5") });
  const payments = [{ to: { walletId: "b" }, amount: amount("2") }];

  function capture(
    keepRemaining: boolean,
    expireTimeMs: number,
    payee = wallet("b", "0"),
  ): Outcome {
    const command = { kind: "captureHold", holdId: "h", payments, keepRemaining } as const;
    return decideOn([payer, payee], command, { holds: [{ ...hold, expireTimeMs }] });
  }

  test("a capture pays, and frees what is not kept", () => {
    const { changes, hold: after } = decisionOf(capture(false, nowMs + 1));
    expect(changes.map((change) => [change.after.balance, change.after.held])).toEqual([
      [amount("8"), zero],
      [amount("2"), zero],
    ]);
    expect(after).toMatchObject({ captured: amount("3"), status: "CAPTURED" });
  });

  test("at its expire_time nothing is captured any more, and it may be expired", () => {
    expect(changesOf(capture(false, nowMs))).toEqual(["HOLD_EXPIRED"]);
    const expire = { kind: "releaseHold", holdId: "h", expired: true } as const;
    const early = decideOn([payer], expire, { holds: [{ ...hold, expireTimeMs: nowMs + 1 }] });
    expect(changesOf(early)).toEqual(["HOLD_NOT_DUE"]);
    const due = decisionOf(decideOn([payer], expire, { holds: [hold] }));
    expect(due.hold?.status).toBe("EXPIRED");
    expect(due.changes[0]?.after.held).toEqual(zero);
  });

  test("a capture happens at the time of its event, which a wallet may have moved on", () => {
    const payee = wallet("b", "0", { updateTimeMs: nowMs + 5_000 });
    expect(changesOf(capture(false, nowMs + 5_000, payee))).toEqual(["HOLD_EXPIRED"]);
    const { occurredAtMs } = decisionOf(capture(false, nowMs + 5_001, payee));
    expect(occurredAtMs).toBe(nowMs + 5_000);
  });
});

describe("reversals", () => {
  const legs = [
    { from: { walletId: "a" }, to: { walletId: "b" }, amount: amount("10"), currency: "USD" },
    { from: { walletId: "b" }, to: { account: "fees" }, amount: amount("1"), currency: "USD" },
  ];
  const transaction: PostedTransaction = { legs, isReversal: false };
  const wallets = [wallet("a", "0"), wallet("b", "9")];

  function reverse(reversed: readonly string[], shortfallAccount?: string): Outcome {
    const shortfall = shortfallAccount === undefined ? {} : { shortfallAccount };
    const command = { kind: "reverseTransaction", transactionId: "t", legs: [] } as const;
    return decideOn(wallets, { ...command, ...shortfall }, { transaction, reversed });
  }

  test("without amounts all that is left is taken back, leg by leg", () => {
    const { reversal, changes } = decisionOf(reverse(["4", "0"]));
    expect(reversal?.legs).toEqual([
      { index: 0, amount: amount("6") },
      { index: 1, amount: amount("1") },
    ]);
    expect(changes.map(({ after }) => after.balance)).toEqual([amount("4"), amount("6")]);
    expect(changesOf(reverse(["10", "1"]))).toEqual(["ALREADY_REVERSED"]);
  });

  test("an account pays a shortfall, and nothing where the other legs bring enough", () => {
    expect(decisionOf(reverse([], "external")).legs.length).toBe(2);
    const short = decisionOf(reverse(["0", "1"], "external")).legs;
    expect(short.map((leg) => [leg.from, formatAmount(leg.amount)])).toEqual([
      [{ walletId: "b" }, "9.0000"],
      [{ account: "external" }, "1.0000"],
    ]);
  });

  test("who pays several legs back pays what he has once", () => {
    const twice = ["a", "c"].map((id) => ({
      from: { walletId: id },
      to: { walletId: "b" },
      amount: amount("6"),
      currency: "USD",
    }));
    const command = { kind: "reverseTransaction", transactionId: "t", legs: [] } as const;
    const short = decideOn(
      [...wallets, wallet("c", "0")],
      { ...command, shortfallAccount: "fees" },
      { transaction: { legs: twice, isReversal: false } },
    );
    expect(decisionOf(short).legs.map((leg) => formatAmount(leg.amount))).toEqual([
      "6.0000",
      "3.0000",
      "3.0000",
    ]);
  });
});

describe("closing and settings", () => {
  const close = { kind: "closeWallet", walletId: "a", reason: "" } as const;

  test("the place for the money is looked at first, even if there is none", () => {
    const nowhere = { ...close, walletId: "x", sweepTo: { account: "nowhere" } };
    expect(changesOf(decideOn([], nowhere))).toEqual(["UNKNOWN_ACCOUNT"]);
    const absent = { ...close, sweepTo: { walletId: "x" } };
    expect(changesOf(decideOn([wallet("a", "0")], absent))).toEqual(["WALLET_NOT_FOUND"]);
  });

  test("an update records all settings, those it leaves as well", () => {
    const limited = wallet("a", "0", { transferLimit: amount("5") });
    const update = { kind: "updateWallet", walletId: "a" } as const;
    const named = decisionOf(decideOn([limited], { ...update, metadata: { a: "1" } }));
    expect(named.metadata).toEqual({ a: "1" });
    expect(named.changes[0]?.after.transferLimit).toEqual(amount("5"));
    const unlimited = decisionOf(decideOn([limited], { ...update, transferLimit: "none" }));
    expect(unlimited.metadata).toEqual({ tier: "gold" });
    expect(unlimited.changes[0]?.after.transferLimit).toBeUndefined();
  });
});
