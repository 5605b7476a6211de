import type { Leg, Reversal, ReversedLeg, Side } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import type { JournalEvent } from "./journal-audit.ts";
import type { Complain } from "./kind-audit.ts";
import { amountText, unitsOf } from "./money-units.ts";

/** What was taken back of a transaction. */
export interface ReversalTrail {
  /** Ten-thousandths, of each leg. */
  readonly units: bigint[];
  /** By how many transactions. */
  times: number;
}

/** Replays reversals in the order of positions. */
export interface ReversalTrails {
  readonly byTransaction: ReadonlyMap<string, ReversalTrail>;
  add(event: JournalEvent, complain: Complain): void;
}

/** Creates an empty replay. */
export function createReversalTrails(): ReversalTrails {
  const byTransaction = new Map<string, ReversalTrail>();
  const legsOf = new Map<string, readonly Leg[]>();
  const reversals = new Set<string>();
  return {
    byTransaction,
    add({ event }, complain) {
      const { transactionId, kind, legs } = event;
      legsOf.set(transactionId, legs);
      const reversal = kind.case === "transactionPosted" ? kind.value.reversal : undefined;
      if (reversal === undefined) return;
      reversals.add(transactionId);
      const original = legsOf.get(reversal.transactionId);
      const wrong = (text: string): void =>
        complain(`reversal of ${reversal.transactionId}: ${text}`);
      if (original === undefined || reversal.transactionId === transactionId) {
        wrong("there is no such transaction before");
        return;
      }
      if (reversals.has(reversal.transactionId)) wrong("it is a reversal itself");
      const none = original.map(() => 0n);
      const trail = byTransaction.get(reversal.transactionId) ?? { units: none, times: 0 };
      byTransaction.set(reversal.transactionId, trail);
      trail.times += 1;
      takeBack(reversal, original, trail, wrong);
      auditReversedLegs(reversal.legs, original, legs, wrong);
    },
  };
}

function takeBack(
  { legs }: Reversal,
  original: readonly Leg[],
  trail: ReversalTrail,
  wrong: Complain,
): void {
  if (legs.length === 0) wrong("it takes nothing back");
  let before = -1;
  for (const { index, amount } of legs) {
    const units = unitsOf(amount) ?? 0n;
    if (units <= 0n) wrong(`it takes back ${amount} of leg ${index}`);
    if (index <= before) wrong(`leg ${index} stands behind leg ${before}`);
    before = index;
    const reversed = (trail.units[index] ?? 0n) + units;
    trail.units[index] = reversed;
    const most = unitsOf(original[index]?.amount ?? "0.0000") ?? 0n;
    if (reversed > most) {
      const [all, leg] = [amountText(reversed), amountText(most)];
      wrong(`${all} of leg ${index} is taken back, which moved ${leg}`);
    }
  }
}

/**
 * The legs of a reversal are those that it takes back, turned round; of each, a last part may come
 * from an account instead of who had got it.
 */
function auditReversedLegs(
  reversed: readonly ReversedLeg[],
  original: readonly Leg[],
  legs: readonly Leg[],
  wrong: Complain,
): void {
  const left = [...legs];
  for (const { index, amount } of reversed) {
    const { from, to } = original[index] ?? {};
    let missing = unitsOf(amount) ?? 0n;
    for (const payer of [sideText(to), "account"]) {
      const [leg] = left;
      const pays = leg && sideText(leg.to) === sideText(from) && isPayer(leg.from, payer);
      if (!pays || missing === 0n) continue;
      missing -= unitsOf(leg.amount) ?? 0n;
      left.shift();
    }
    if (missing !== 0n) wrong(`its legs do not take back ${amount} of leg ${index}`);
  }
  if (left.length > 0) wrong(`it moves more than it takes back, in ${left.length} legs`);
}

function isPayer(side: Side | undefined, payer: string): boolean {
  return payer === "account" ? side?.side.case === "account" : sideText(side) === payer;
}

function sideText(side: Side | undefined): string {
  return `${side?.side.case} ${side?.side.value}`;
}
