import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import {
  findAccountEntriesWithoutEvent,
  readAccountEntriesOfEvents,
  type StoredAccountEntry,
} from "./account-store.ts";
import { findTotalsAbove, readTotals } from "./account-totals-store.ts";
import {
  accountEntryWithoutEvent,
  compareAccountEntries,
  createTotalsCheck,
  positionsPerTotal,
  type TotalsCheck,
  totalTooEarly,
} from "./account-verification.ts";
import { findEntriesWithoutEvent, type LinkedEntry, readEntriesOfEvents } from "./entry-store.ts";
import { findAnchorBefore, findAnchorFrom, readEvents, type StoredEvent } from "./event-reads.ts";
import { compareEntries, type Finding, recomputeEvent } from "./event-verification.ts";
import { createChain, type SegmentChain, type SegmentEnd } from "./segment-chain.ts";

/** How far a verification has come. */
export interface JournalProgress extends SegmentEnd {
  /** Everything up to this position was looked at. */
  readonly verifiedTo: bigint;
  /** What was found on the way from the progress before. */
  readonly findings: readonly Finding[];
}

/** What to verify: positions from the first to the last one, both included. */
export interface JournalRange {
  readonly from: bigint;
  /** The end of a segment; what lies behind the last one's end is covered by no hash. */
  readonly to: bigint;
  /** Whether nothing lies above `to` but what is not complete yet. */
  readonly toEnd: boolean;
}

const eventsPerReadMax = 500n;
const strayEntriesMax = 100;

/**
 * Recomputes positions, events, entries and segment hashes from the stored bytes, a part at a time.
 * A range that begins within a segment begins with that segment: its hash covers it whole.
 *
 * @throws DatabaseUnavailable
 */
export async function* verifyJournal(
  pool: DatabaseClient,
  { from, to, toEnd }: JournalRange,
): AsyncGenerator<JournalProgress> {
  const anchor = await pool.read((sql) => findAnchorBefore(sql, from));
  const chain = createChain(anchor?.position ?? 0n, anchor?.journalHash);
  let verifiedTo = anchor?.position ?? 0n;
  const totals = createTotalsCheck(verifiedTo);
  while (verifiedTo < to) {
    const part = { behind: verifiedTo, upTo: partEnd(verifiedTo, to) };
    const findings = verifyPart(part, await readPart(pool, part), { chain, totals });
    const stored = await pool.read((sql) => readTotals(sql, part));
    findings.push(...totals.compare(part.upTo, stored));
    verifiedTo = part.upTo;
    yield { verifiedTo, findings, ...chain.reached() };
  }
  const strays = toEnd ? await findStrays(pool, to) : [];
  yield { verifiedTo, findings: [...chain.end(verifiedTo), ...strays], ...chain.reached() };
}

/** Parts end where totals were written, so that these are compared with whole parts. */
function partEnd(behind: bigint, to: bigint): bigint {
  const totalsAt = (behind / positionsPerTotal + 1n) * positionsPerTotal;
  const ends = [behind + eventsPerReadMax, totalsAt, to];
  return ends.reduce((first, end) => (end < first ? end : first));
}

async function readPart(pool: DatabaseClient, part: Part): Promise<StoredPart> {
  const limit = Number(eventsPerReadMax);
  const events = await pool.read((sql) => readEvents(sql, { ...part, limit }));
  const entries = await pool.read((sql) => readEntriesOfEvents(sql, part));
  const accountEntries = await pool.read((sql) => readAccountEntriesOfEvents(sql, part));
  return { events, entries, accountEntries };
}

async function findStrays(pool: DatabaseClient, behind: bigint): Promise<Finding[]> {
  const limit = strayEntriesMax;
  const entries = await pool.read((sql) => findEntriesWithoutEvent(sql, { behind, limit }));
  const legs = await pool.read((sql) => findAccountEntriesWithoutEvent(sql, { behind, limit }));
  const totals = await pool.read((sql) => findTotalsAbove(sql, limit));
  return [
    ...entries.map(entryWithoutEvent),
    ...legs.map(accountEntryWithoutEvent),
    ...totals.map(totalTooEarly),
  ];
}

/**
 * Recomputes the hash of the segment that holds a position.
 *
 * @param upTo where the last segment to look at ends
 * @returns undefined when it fits
 * @throws DatabaseUnavailable; the reason of the signal, when it aborts
 */
export async function verifySegment(
  pool: DatabaseClient,
  position: bigint,
  { upTo, signal }: { upTo: bigint; signal: AbortSignal },
): Promise<Finding | undefined> {
  const end = await pool.read((sql) => findAnchorFrom(sql, { position, upTo }));
  const anchor = await pool.read((sql) => findAnchorBefore(sql, position));
  const chain = createChain(anchor?.position ?? 0n, anchor?.journalHash);
  if (end === undefined) return chain.end(upTo)[0];
  const limit = Number(eventsPerReadMax);
  for (let behind = anchor?.position ?? 0n; behind < end; behind += eventsPerReadMax) {
    signal.throwIfAborted();
    const reached = behind;
    const part = { behind: reached, upTo: reached + eventsPerReadMax, limit };
    for (const event of await pool.read((sql) => readEvents(sql, part))) {
      if (event.position > end) break;
      const [finding] = chain.add(event.position, event, false);
      if (finding !== undefined) return finding;
    }
  }
  return undefined;
}

/** Positions behind one up to another one. */
interface Part {
  readonly behind: bigint;
  readonly upTo: bigint;
}

/** What is stored for some positions, or for one. */
interface StoredRows {
  readonly entries: readonly LinkedEntry[];
  readonly accountEntries: readonly StoredAccountEntry[];
}

type StoredPart = StoredRows & { readonly events: readonly StoredEvent[] };

function verifyPart(
  { behind, upTo }: Part,
  { events, entries, accountEntries }: StoredPart,
  { chain, totals }: { readonly chain: SegmentChain; readonly totals: TotalsCheck },
): Finding[] {
  const findings: Finding[] = [];
  const eventAt = new Map(events.map((event) => [event.position, event]));
  const entriesAt = byPosition(entries);
  const accountEntriesAt = byPosition(accountEntries);
  for (let position = behind + 1n; position <= upTo; position += 1n) {
    const event = eventAt.get(position);
    const stored = {
      entries: entriesAt.get(position) ?? [],
      accountEntries: accountEntriesAt.get(position) ?? [],
    };
    const decoded = event && recomputeEvent(event);
    const found = verifyEvent(position, decoded, stored);
    totals.add(typeof decoded === "object" ? decoded : undefined);
    findings.push(...found, ...chain.add(position, event, found.length > 0));
  }
  return findings;
}

// Node 20 has no Map.groupBy.
function byPosition<Row extends { readonly position: bigint }>(
  rows: readonly Row[],
): Map<bigint, Row[]> {
  const groups = new Map<bigint, Row[]>();
  for (const row of rows) {
    const group = groups.get(row.position);
    if (group) group.push(row);
    else groups.set(row.position, [row]);
  }
  return groups;
}

/** @param event as it is stored, why its row is not what it was, or undefined when it is missing */
function verifyEvent(
  position: bigint,
  event: ReturnType<typeof recomputeEvent> | undefined,
  { entries, accountEntries }: StoredRows,
): Finding[] {
  if (event === undefined) {
    const description = "The event of this position is missing.";
    return [
      { position, walletId: "", version: 0n, description },
      ...entries.map(entryWithoutEvent),
      ...accountEntries.map(accountEntryWithoutEvent),
    ];
  }
  if (typeof event === "object") {
    return [
      ...compareEntries(event, position, entries),
      ...compareAccountEntries(event, position, accountEntries),
    ];
  }
  // The bytes do not tell reliably whom they concern; the entries may.
  const concerned = entries.map(({ walletId, version }) => `wallet ${walletId} version ${version}`);
  const whose = concerned.length === 0 ? "" : ` Its entries: ${concerned.join(", ")}.`;
  return [{ position, walletId: "", version: 0n, description: event + whose }];
}

function entryWithoutEvent(entry: {
  readonly position: bigint;
  readonly walletId: string;
  readonly version: bigint;
}): Finding {
  const { position, walletId, version } = entry;
  return { position, walletId, version, description: "The entry has no event at its position." };
}
