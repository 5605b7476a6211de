import { zero } from "../money.ts";
import type { Outcome, WalletState } from "../wallet.ts";
import type { Basis, CreateWallet } from "./command.ts";
import { refuse } from "./movement.ts";

/** Creates an empty wallet. */
export function createWallet(
  { rules, nowMs }: Basis,
  { walletId, userId, currency }: CreateWallet,
): Outcome {
  if (rules.currencyOf(currency) === undefined) {
    return refuse({ reason: "UNKNOWN_CURRENCY", currency });
  }
  const after: WalletState = {
    id: walletId,
    userId,
    currency,
    balance: zero,
    held: zero,
    status: "ACTIVE",
    transferLimit: undefined,
    version: 0n,
    createTimeMs: nowMs,
    updateTimeMs: nowMs,
  };
  return {
    decision: {
      kind: "walletCreated",
      occurredAtMs: nowMs,
      legs: [],
      changes: [{ before: undefined, after, amount: zero }],
    },
  };
}
