import type { StoredAccountEntry } from "./account-store.ts";
import type { StoredAccountTotal, TotalKey } from "./account-totals-store.ts";
import { amountText, storedUnits } from "./amount-units.ts";
import type { AccountLeg } from "./event-legs.ts";
import { type Finding, sortedJson } from "./event-verification.ts";
import type { DecodedEvent } from "./history-entry.ts";

/** Totals are written at every position that is a multiple of this, by write_account_totals. */
export const positionsPerTotal = 1_000n;

/** Compares an event's legs of accounts with those stored for its position. */
export function compareAccountEntries(
  event: DecodedEvent,
  position: bigint,
  stored: readonly StoredAccountEntry[],
): Finding[] {
  const left = new Map(stored.map((entry) => [entry.legIndex, entry]));
  const findings = event.accountLegs.flatMap((leg) => {
    const entry = left.get(leg.legIndex);
    left.delete(leg.legIndex);
    const name = `entry of account ${leg.account} for leg ${leg.legIndex}`;
    if (entry === undefined) return [finding(position, `The ${name} is missing.`)];
    const difference = columnDifference(event, leg, entry);
    return difference === undefined ? [] : [finding(position, `The ${name}: ${difference}`)];
  });
  for (const { account, legIndex } of left.values()) {
    const name = `entry of account ${account} for leg ${legIndex}`;
    findings.push(finding(position, `The ${name} has no such leg in its event.`));
  }
  return findings;
}

function columnDifference(
  event: DecodedEvent,
  leg: AccountLeg,
  entry: StoredAccountEntry,
): string | undefined {
  const columns: [name: string, stored: string, expected: string][] = [
    ["account", entry.account, leg.account],
    ["currency", entry.currency, leg.currency],
    ["amount", entry.amount, leg.amount],
    ["wallet_id", entry.walletId, leg.walletId],
    ["transaction_id", entry.transactionId, event.transactionId],
    ["occurred_at", String(entry.occurredAt.getTime()), String(event.occurredAtMs)],
    ["kind", entry.kind, leg.kind],
    ["details", sortedJson(entry.details), sortedJson(event.details ?? null)],
  ];
  const different = columns.find(([, stored, inEvent]) => stored !== inEvent);
  if (different === undefined) return undefined;
  const [name, stored, inEvent] = different;
  return `its ${name} is ${stored}, its event says ${inEvent}.`;
}

/** What is wrong with an account's entry at whose position there is no event. */
export function accountEntryWithoutEvent(entry: StoredAccountEntry): Finding {
  const name = `entry of account ${entry.account} for leg ${entry.legIndex}`;
  return finding(entry.position, `The ${name} has no event at its position.`);
}

/** What is wrong with a total above the position to which history is complete. */
export function totalTooEarly(total: TotalKey): Finding {
  return finding(total.position, `${nameOf(total)} stands where none can be yet.`);
}

/** Adds up the legs from one total to the next, and compares. */
export interface TotalsCheck {
  /** The next event; undefined when it is missing or not what it was. */
  add(event: DecodedEvent | undefined): void;
  /** @param stored the totals since the comparison before, up to the position of the last event */
  compare(position: bigint, stored: readonly StoredAccountTotal[]): Finding[];
}

interface Sum {
  readonly account: string;
  readonly currency: string;
  unitsIn: bigint;
  unitsOut: bigint;
  latestMs: number;
  earliestMs: number;
}

/** Begins behind a position; what lies before it is taken as it is stored. */
export function createTotalsCheck(behind: bigint): TotalsCheck {
  let sums = new Map<string, Sum>();
  // Of a part whose beginning, or an event, is not known there is no sum to compare with.
  let isWhole = behind % positionsPerTotal === 0n;

  return {
    add(event) {
      if (event === undefined) isWhole = false;
      else for (const leg of event.accountLegs) addLeg(sums, leg, event.occurredAtMs);
    },
    compare(position, stored) {
      const findings = stored
        .filter((total) => total.position % positionsPerTotal !== 0n)
        .map((total) => finding(total.position, `${nameOf(total)} stands where none is written.`));
      if (position % positionsPerTotal !== 0n) return findings;
      if (isWhole) {
        const here = stored.filter((total) => total.position === position);
        findings.push(...compareTotals(position, sums, here));
      }
      sums = new Map();
      isWhole = true;
      return findings;
    },
  };
}

function addLeg(sums: Map<string, Sum>, leg: AccountLeg, atMs: number): void {
  const key = keyOf(leg);
  const units = storedUnits(leg.amount);
  const { account, currency } = leg;
  const empty = { account, currency, unitsIn: 0n, unitsOut: 0n, latestMs: atMs, earliestMs: atMs };
  const sum = sums.get(key) ?? empty;
  if (units > 0n) sum.unitsIn += units;
  else sum.unitsOut -= units;
  sum.latestMs = Math.max(sum.latestMs, atMs);
  sum.earliestMs = Math.min(sum.earliestMs, atMs);
  sums.set(key, sum);
}

function compareTotals(
  position: bigint,
  sums: ReadonlyMap<string, Sum>,
  stored: readonly StoredAccountTotal[],
): Finding[] {
  const missing = new Map(sums);
  const findings = stored.flatMap((total) => {
    const key = keyOf(total);
    const sum = sums.get(key);
    missing.delete(key);
    const difference =
      sum === undefined ? "has no leg since the one before." : totalDifference(total, sum);
    return difference === undefined ? [] : [finding(position, `${nameOf(total)} ${difference}`)];
  });
  const unwritten = [...missing.values()].map((sum) =>
    finding(position, `${nameOf(sum)} is missing.`),
  );
  return [...findings, ...unwritten];
}

function totalDifference(total: StoredAccountTotal, sum: Sum): string | undefined {
  const latestMs = Math.max(sum.latestMs, total.latestBefore?.getTime() ?? sum.latestMs);
  const columns: [name: string, stored: string, expected: string][] = [
    ["increase of total_in", total.addedIn, amountText(sum.unitsIn)],
    ["increase of total_out", total.addedOut, amountText(sum.unitsOut)],
    ["latest_at", String(total.latestAt.getTime()), String(latestMs)],
    ["earliest_at", String(total.earliestAt.getTime()), String(sum.earliestMs)],
  ];
  const different = columns.find(([, stored, expected]) => stored !== expected);
  if (different === undefined) return undefined;
  const [name, stored, expected] = different;
  return `is wrong: its ${name} is ${stored}, the events say ${expected}.`;
}

function nameOf({ account, currency }: { account: string; currency: string }): string {
  return `The total of account ${account} in ${currency}`;
}

// A currency has no space.
function keyOf({ account, currency }: { account: string; currency: string }): string {
  return `${currency} ${account}`;
}

function finding(position: bigint, description: string): Finding {
  return { position, walletId: "", version: 0n, description };
}
