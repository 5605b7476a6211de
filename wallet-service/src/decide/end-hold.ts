import { type Amount, add, isLess, subtract, zero } from "../money.ts";
import type { HoldState, Outcome, Refusal } from "../wallet.ts";
import type { Basis, CaptureHold, ReleaseHold } from "./command.ts";
import { expect } from "./command.ts";
import { closedRefusal, prepare, refuse, settle, statusRefusal } from "./movement.ts";

/** Pays out of a hold; what is not kept is freed by the same decision. */
export function captureHold(basis: Basis, command: CaptureHold): Outcome {
  const { holdId, payments, keepRemaining, expectedVersion } = command;
  const hold = basis.holdOf(holdId);
  if (hold === undefined) return refuse({ reason: "HOLD_NOT_FOUND", holdId });
  const { walletId } = hold;
  const legs = payments.map((payment) => ({ from: { walletId }, ...payment }));
  const movement = prepare(basis, { legs, ...expect(walletId, expectedVersion) });
  if ("refusal" in movement) return movement;
  const refused = statusRefusal(movement) ?? endedRefusal(hold, movement.occurredAtMs);
  if (refused !== undefined) return refuse(refused);
  const paid = payments.reduce((sum, { amount }) => add(sum, amount), zero);
  const remaining = remainingOf(hold);
  if (isLess(remaining, paid)) return refuse({ reason: "HOLD_AMOUNT_EXCEEDED", holdId, remaining });
  const stays = keepRemaining && isLess(paid, remaining);
  const status = stays ? "OPEN" : "CAPTURED";
  return settle(movement, {
    kind: "transactionPosted",
    hold: { ...hold, captured: add(hold.captured, paid), status },
    held: { walletId, amount: subtract(zero, stays ? paid : remaining) },
    limited: false,
  });
}

/** Frees what a hold has set aside: because a caller wants it, or because its time is over. */
export function releaseHold(basis: Basis, command: ReleaseHold): Outcome {
  const { holdId, expired, expectedVersion } = command;
  const hold = basis.holdOf(holdId);
  if (hold === undefined) return refuse({ reason: "HOLD_NOT_FOUND", holdId });
  const { walletId } = hold;
  const movement = prepare(basis, { legs: [], walletId, ...expect(walletId, expectedVersion) });
  if ("refusal" in movement) return movement;
  const wallet = movement.states.get(walletId);
  // A due hold may still be released: the money gets free either way.
  const refused = (wallet && closedRefusal(wallet)) ?? endedRefusal(hold, 0);
  if (refused !== undefined) return refuse(refused);
  if (expired && movement.occurredAtMs < hold.expireTimeMs) {
    return refuse({ reason: "HOLD_NOT_DUE", holdId });
  }
  return settle(movement, {
    kind: "holdReleased",
    hold: { ...hold, status: expired ? "EXPIRED" : "RELEASED" },
    held: { walletId, amount: subtract(zero, remainingOf(hold)) },
    limited: false,
  });
}

function remainingOf({ amount, captured }: HoldState): Amount {
  return subtract(amount, captured);
}

/** Refuses what has ended, or is due at the instant given. */
function endedRefusal({ id, status, expireTimeMs }: HoldState, atMs: number): Refusal | undefined {
  if (status === "CAPTURED") return { reason: "HOLD_CAPTURED", holdId: id };
  if (status === "RELEASED") return { reason: "HOLD_RELEASED", holdId: id };
  if (status === "EXPIRED" || atMs >= expireTimeMs) return { reason: "HOLD_EXPIRED", holdId: id };
  return undefined;
}
