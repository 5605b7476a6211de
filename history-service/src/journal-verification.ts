import { createHash, type Hash } from "node:crypto";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { findEntriesWithoutEvent, type LinkedEntry, readEntriesOfEvents } from "./entry-store.ts";
import { findAnchorBefore, findAnchorFrom, readEvents, type StoredEvent } from "./event-reads.ts";
import { compareEntries, type Finding, isEqual, recomputeEvent } from "./event-verification.ts";

/** How far a verification has come. */
export interface JournalProgress {
  /** Everything up to this position was looked at. */
  readonly verifiedTo: bigint;
  /** What was found on the way from the progress before. */
  readonly findings: readonly Finding[];
  /** The hash of the last whole segment; undefined before the first one ends. */
  readonly journalHash: Uint8Array | undefined;
  /** The last position of that segment; 0 before the first one ends. */
  readonly hashPosition: bigint;
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
const positionBytes = 8;

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
  while (verifiedTo < to) {
    const behind = verifiedTo;
    const upTo = behind + eventsPerReadMax < to ? behind + eventsPerReadMax : to;
    const limit = Number(eventsPerReadMax);
    const events = await pool.read((sql) => readEvents(sql, { behind, upTo, limit }));
    const entries = await pool.read((sql) => readEntriesOfEvents(sql, { behind, upTo }));
    const findings = verifyPart({ behind, upTo }, events, entries, chain);
    verifiedTo = upTo;
    yield { verifiedTo, findings, ...chain.reached() };
  }
  const strays = toEnd ? await findStrays(pool, to) : [];
  yield { verifiedTo, findings: [...chain.end(verifiedTo), ...strays], ...chain.reached() };
}

async function findStrays(pool: DatabaseClient, behind: bigint): Promise<Finding[]> {
  const limit = strayEntriesMax;
  const strays = await pool.read((sql) => findEntriesWithoutEvent(sql, { behind, limit }));
  return strays.map(entryWithoutEvent);
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

function verifyPart(
  { behind, upTo }: { readonly behind: bigint; readonly upTo: bigint },
  events: readonly StoredEvent[],
  entries: readonly LinkedEntry[],
  chain: SegmentChain,
): Finding[] {
  const findings: Finding[] = [];
  const eventAt = new Map(events.map((event) => [event.position, event]));
  const entriesAt = byPosition(entries);
  for (let position = behind + 1n; position <= upTo; position += 1n) {
    const event = eventAt.get(position);
    const stored = entriesAt.get(position) ?? [];
    const found = event ? verifyEvent(event, stored) : missingEvent(position, stored);
    findings.push(...found, ...chain.add(position, event, found.length > 0));
  }
  return findings;
}

// Node 20 has no Map.groupBy.
function byPosition(entries: readonly LinkedEntry[]): Map<bigint, LinkedEntry[]> {
  const groups = new Map<bigint, LinkedEntry[]>();
  for (const entry of entries) {
    const group = groups.get(entry.position);
    if (group) group.push(entry);
    else groups.set(entry.position, [entry]);
  }
  return groups;
}

function verifyEvent(event: StoredEvent, stored: readonly LinkedEntry[]): Finding[] {
  const { position } = event;
  const decoded = recomputeEvent(event);
  if (typeof decoded !== "string") return compareEntries(decoded, position, stored);
  // The bytes do not tell reliably whom they concern; the entries may.
  const concerned = stored.map(({ walletId, version }) => `wallet ${walletId} version ${version}`);
  const whose = concerned.length === 0 ? "" : ` Its entries: ${concerned.join(", ")}.`;
  return [{ position, walletId: "", version: 0n, description: decoded + whose }];
}

function missingEvent(position: bigint, stored: readonly LinkedEntry[]): Finding[] {
  const description = "The event of this position is missing.";
  return [
    { position, walletId: "", version: 0n, description },
    ...stored.map((entry) => entryWithoutEvent(entry)),
  ];
}

function entryWithoutEvent(entry: {
  readonly position: bigint;
  readonly walletId: string;
  readonly version: bigint;
}): Finding {
  const { position, walletId, version } = entry;
  return { position, walletId, version, description: "The entry has no event at its position." };
}

/** Segment hashes in a row: each covers the one before. */
interface SegmentChain {
  /** @param known whether something is known to be wrong with the event or its entries */
  add(position: bigint, event: StoredEvent | undefined, known: boolean): Finding[];
  /** Where the last whole segment ends, and its hash. */
  reached(): Pick<JournalProgress, "journalHash" | "hashPosition">;
  /** Tells, at the last position, of a segment that has not ended. */
  end(position: bigint): Finding[];
}

function createChain(behind: bigint, anchor: Uint8Array | undefined): SegmentChain {
  let journalHash = anchor;
  let firstPosition = behind + 1n;
  let hash = beginSegment(journalHash, firstPosition);
  let eventMissing = false;

  return {
    reached: () => ({ journalHash, hashPosition: firstPosition - 1n }),
    end(position) {
      if (position < firstPosition || eventMissing) return [];
      const description =
        `No journal hash covers the positions ${firstPosition} to ${position}: the end of their ` +
        "segment has not arrived, or its hash was removed.";
      return [{ position: firstPosition, walletId: "", version: 0n, description }];
    },
    add(position, event, known) {
      eventMissing ||= event === undefined || (known && !isIntact(event));
      if (event === undefined) return [];
      hash.update(createHash("sha256").update(event.bytes).digest());
      if (event.journalHash === null) return [];
      const fits = isEqual(hash.digest(), event.journalHash);
      const first = firstPosition;
      // What is wrong with an event of the segment was said already; the next segments are
      // verified from the hash that was handed over.
      const silent = fits || eventMissing;
      journalHash = event.journalHash;
      firstPosition = position + 1n;
      hash = beginSegment(journalHash, firstPosition);
      eventMissing = false;
      if (silent) return [];
      const description =
        `The segment of positions ${first} to ${position} does not have the hash that is stored ` +
        "with its last event.";
      return [{ position: first, walletId: "", version: 0n, description }];
    },
  };
}

function isIntact({ bytes, hash }: StoredEvent): boolean {
  return isEqual(createHash("sha256").update(bytes).digest(), hash);
}

function beginSegment(before: Uint8Array | undefined, firstPosition: bigint): Hash {
  const position = Buffer.alloc(positionBytes);
  position.writeBigUInt64BE(firstPosition);
  return createHash("sha256")
    .update(before ?? new Uint8Array())
    .update(position);
}
