import { describe, expect, test } from "vitest";
import { testRules } from "../../test/test-rules.ts";
import { balanceMax, formatAmount, parseAmount, zero } from "../money.ts";
import type { Outcome, WalletState } from "../wallet.ts";
import { type Command, fund, transfer } from "./command.ts";
import { decide } from "./decide.ts";

const nowMs = 1_764_000_000_000;

const nothing = {
  holdOf: () => undefined,
  transactionOf: () => undefined,
  reversedOf: () => [],
  metadataOf: () => ({}),
};

function wallet(id: string, balance: string, more: Partial<WalletState> = {}): WalletState {
  return {
    id,
    userId: `user of ${id}`,
    currency: "USD",
    balance: amount(balance),
    held: zero,
    status: "ACTIVE",
    transferLimit: undefined,
    version: 3n,
    createTimeMs: nowMs - 10_000,
    updateTimeMs: nowMs - 5_000,
    ...more,
  };
}

function amount(text: string): typeof zero {
  return parseAmount(text) ?? zero;
}

function decideOn(wallets: WalletState[], command: Command, now = nowMs): Outcome {
  const states = new Map(wallets.map((state) => [state.id, state]));
  const walletOf = (walletId: string): WalletState | undefined => states.get(walletId);
  return decide({ ...nothing, walletOf, rules: testRules, nowMs: now }, command);
}

function changesOf(outcome: Outcome): string[] {
  if ("refusal" in outcome) return [outcome.refusal.reason];
  return outcome.decision.changes.map(
    ({ after, amount: change }) =>
      `${after.id} ${formatAmount(change)} → ${formatAmount(after.balance)} v${after.version}`,
  );
}

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
  if ("refusal" in outcome) throw new Error(outcome.refusal.reason);
  expect(outcome.decision.occurredAtMs).toBe(later);
  for (const { after } of outcome.decision.changes) expect(after.updateTimeMs).toBe(later);
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
