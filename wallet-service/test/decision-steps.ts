import type { Basis, Command } from "../src/decide/command.ts";
import { decide } from "../src/decide/decide.ts";
import { formatAmount, parseAmount, zero } from "../src/money.ts";
import type {
  Decision,
  HoldState,
  Outcome,
  PostedTransaction,
  WalletState,
} from "../src/wallet.ts";
import { testRules } from "./test-rules.ts";

/** What the clock says. */
export const nowMs = 1_764_000_000_000;

/** What decides a command beside wallets. */
export interface Items {
  readonly holds?: readonly HoldState[];
  readonly transaction?: PostedTransaction;
  readonly reversed?: readonly string[];
}

/** A wallet in USD, at version 3, unless said otherwise. */
export function wallet(id: string, balance: string, more: Partial<WalletState> = {}): WalletState {
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

/** An amount that the test knows to be one. */
export function amount(text: string): typeof zero {
  return parseAmount(text) ?? zero;
}

/** Decides a command on some wallets. */
export function decideOn(wallets: WalletState[], command: Command, items: Items = {}): Outcome {
  const { holds = [], transaction, reversed = [] } = items;
  const basis: Basis = {
    walletOf: (id) => wallets.find((state) => state.id === id),
    holdOf: (id) => holds.find((state) => state.id === id),
    transactionOf: () => transaction,
    reversedOf: () => reversed.map(amount),
    metadataOf: () => ({ tier: "gold" }),
    rules: testRules,
    nowMs,
  };
  return decide(basis, command);
}

/** The decision, where there must be one. */
export function decisionOf(outcome: Outcome): Decision {
  if ("refusal" in outcome) throw new Error(outcome.refusal.reason);
  return outcome.decision;
}

/** What becomes of each wallet, or the reason of a refusal. */
export function changesOf(outcome: Outcome): string[] {
  if ("refusal" in outcome) return [outcome.refusal.reason];
  return outcome.decision.changes.map(
    ({ after, amount: change }) =>
      `${after.id} ${formatAmount(change)} → ${formatAmount(after.balance)} v${after.version}`,
  );
}
