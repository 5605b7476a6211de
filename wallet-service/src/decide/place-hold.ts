import { zero } from "../money.ts";
import type { HoldState, Outcome } from "../wallet.ts";
import type { Basis, PlaceHold } from "./command.ts";
import { payingRefusal, precisionRefusal, prepare, refuse, settle } from "./movement.ts";

/** Sets money of a wallet aside. */
export function placeHold(basis: Basis, command: PlaceHold): Outcome {
  const { holdId, walletId, amount, expireTimeMs, expected } = command;
  const { rules } = basis;
  const movement = prepare(basis, { legs: [], walletId, expected });
  if ("refusal" in movement) return movement;
  const wallet = movement.states.get(walletId);
  if (wallet === undefined) return refuse({ reason: "WALLET_NOT_FOUND", walletId });
  const { occurredAtMs } = movement;
  const { currency } = wallet;
  const refused = precisionRefusal(amount, currency, rules) ?? payingRefusal(wallet);
  if (refused !== undefined) return refuse(refused);
  const latestMs = basis.nowMs + rules.holdLengthMaxMs;
  if (expireTimeMs <= occurredAtMs || expireTimeMs > latestMs) {
    return refuse({ reason: "EXPIRE_TIME", latestMs });
  }
  const hold: HoldState = {
    id: holdId,
    walletId,
    currency,
    amount,
    captured: zero,
    status: "OPEN",
    createTimeMs: occurredAtMs,
    expireTimeMs,
  };
  return settle(movement, { kind: "holdPlaced", hold, held: { walletId, amount }, limited: true });
}
