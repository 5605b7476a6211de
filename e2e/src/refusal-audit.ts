import { type Attempt, describeOrder } from "./ledger.ts";
import { amountText } from "./money-units.ts";
import type { WalletTrail, WalletVersion } from "./trail-audit.ts";

/**
 * Every refusal must be justified by a state that the wallet had at some moment of the call. Such a
 * state was compared under the wallet's lock, so it was written before the call's end, and the next
 * one was written after the call's start.
 */
export function auditRefusals(
  attempts: readonly Attempt[],
  trails: ReadonlyMap<string, WalletTrail>,
  findings: string[],
): void {
  for (const attempt of attempts) {
    const { order, replica, outcome } = attempt;
    const reuses = order.kind === "transfer" && order.reusesRequestId;
    if (reuses && "acknowledged" in outcome) {
      findings.push(`${describeOrder(order)}: accepted with other input than before`);
    }
    if (!("refused" in outcome)) continue;
    const mistake = reuses
      ? outcome.refused !== "REQUEST_ID_REUSED" && "the request_id has been used"
      : unjustified(attempt, outcome.refused, trails);
    if (!mistake) continue;
    const text = `replica ${replica} refused with ${outcome.refused}: ${mistake}`;
    findings.push(`${describeOrder(order)}: ${text}`);
  }
}

/** Why the refusal is wrong; undefined when it is right. */
function unjustified(
  { order, startMs, endMs }: Attempt,
  reason: string,
  trails: ReadonlyMap<string, WalletTrail>,
): string | undefined {
  if (order.kind === "create") return "such an order is never refused";
  const from = order.kind === "fund" ? order.to : order.from;
  const payer = trails.get(from);
  if (payer === undefined || !trails.has(order.to)) {
    return reason === "WALLET_NOT_FOUND" ? undefined : "one of the wallets does not exist";
  }
  if (order.kind === "fund") return "such an order is never refused";
  const { units, expectedVersion } = order;
  const states = statesDuring(payer.versions, startMs, endMs);
  if (reason === "INSUFFICIENT_BALANCE") {
    if (states.some((state) => availableUnits(state) < units)) return undefined;
    const least = states.reduce((one, other) => {
      return availableUnits(other) < availableUnits(one) ? other : one;
    });
    const place = `version ${payer.versions.indexOf(least)}, position ${least.position}`;
    return `wallet ${from} had ${amountText(availableUnits(least))} or more all the time (${place})`;
  }
  if (reason === "VERSION_CONFLICT" && expectedVersion !== undefined) {
    const expected = payer.versions[Number(expectedVersion)];
    const others = states.some((state) => state !== expected);
    return others ? undefined : `wallet ${from} had that version all the time`;
  }
  return "nothing justifies this reason";
}

function availableUnits({ units, heldUnits }: WalletVersion): bigint {
  return units - heldUnits;
}

function statesDuring(
  versions: readonly WalletVersion[],
  startMs: number,
  endMs: number,
): WalletVersion[] {
  // The last version written before the start is the earliest that can have been current.
  let low = 0;
  let high = versions.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((versions[middle]?.committedAtMs ?? 0) < startMs) low = middle;
    else high = middle - 1;
  }
  const states: WalletVersion[] = [];
  for (let index = low; index < versions.length; index += 1) {
    const state = versions[index];
    if (state === undefined || (index > low && state.committedAtMs > endMs)) break;
    states.push(state);
  }
  return states;
}
