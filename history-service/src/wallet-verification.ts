import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { storedUnits } from "./amount-units.ts";
import { readTrail, type StoredEntry } from "./entry-store.ts";
import { countEvents, findMentions, findMissing, readEventsAt } from "./event-reads.ts";

import {
  entryDifference,
  type Finding,
  headDifference,
  recomputeEvent,
} from "./event-verification.ts";
import { verifySegment } from "./journal-verification.ts";

/** Whether a wallet's trail is whole. */
export interface WalletVerification {
  /** How many versions fit, counted from the first one. */
  readonly verifiedVersions: bigint;
  /** The head at the last version that fits; undefined when none does. */
  readonly head: Uint8Array | undefined;
  /** The first thing that does not fit; undefined when all does. */
  readonly finding: Finding | undefined;
}

/** Which wallet to verify. */
export interface WalletToVerify {
  readonly walletId: string;
  /** The position up to which to look: the end of a segment. */
  readonly completeTo: bigint;
  /** Aborted when nobody waits for the result any more. */
  readonly signal: AbortSignal;
}

interface Trail {
  versions: bigint;
  head: Uint8Array | undefined;
  balance: bigint;
  position: bigint;
}

const versionsPerReadMax = 500;
const positionsPerScanMax = 20_000n;

/**
 * Walks a wallet's versions and recomputes each from the stored event. Then looks for what should
 * be there and is not: behind the last version no stored event may mention the wallet, and no position
 * may be missing.
 *
 * @returns undefined when history knows no such wallet
 * @throws DatabaseUnavailable; the reason of the signal, when it aborts
 */
export async function verifyWallet(
  pool: DatabaseClient,
  wallet: WalletToVerify,
): Promise<WalletVerification | undefined> {
  const trail: Trail = { versions: 0n, head: undefined, balance: 0n, position: 0n };
  const finding =
    (await walkTrail(pool, wallet, trail)) ??
    (await verifyLastSegment(pool, wallet, trail)) ??
    (await lookBehind(pool, wallet, trail));
  if (finding === undefined && trail.versions === 0n) return undefined;
  return { verifiedVersions: trail.versions, head: trail.head, finding };
}

async function walkTrail(
  pool: DatabaseClient,
  { walletId, completeTo, signal }: WalletToVerify,
  trail: Trail,
): Promise<Finding | undefined> {
  for (;;) {
    signal.throwIfAborted();
    const behind = trail.versions - 1n;
    const entries = await pool.read((sql) =>
      readTrail(sql, { walletId, completeTo, behind, limit: versionsPerReadMax }),
    );
    const positions = entries.map(({ position }) => position);
    const events = await pool.read((sql) => readEventsAt(sql, positions));
    const eventAt = new Map(events.map((event) => [event.position, event]));
    for (const entry of entries) {
      const { position } = entry;
      const version = trail.versions;
      if (entry.version !== version) {
        return { position, walletId, version, description: "This version is missing." };
      }
      const event = eventAt.get(position);
      const description = event
        ? stepDifference(recomputeEvent(event), entry, trail)
        : "The event of this version is missing.";
      if (description !== undefined) return { position, walletId, version, description };
      trail.versions += 1n;
      trail.head = entry.head;
      trail.balance = storedUnits(entry.balance);
      trail.position = position;
    }
    if (entries.length < versionsPerReadMax) return undefined;
  }
}

function stepDifference(
  event: ReturnType<typeof recomputeEvent>,
  entry: StoredEntry,
  trail: Trail,
): string | undefined {
  if (typeof event === "string") return event;
  const { walletId, version } = entry;
  const change = event.entries.find((each) => each.walletId === walletId);
  if (change?.version !== version) return "The event does not change the wallet to this version.";
  const broken = headDifference(change, trail.head ?? new Uint8Array());
  if (broken !== undefined) return broken;
  if (trail.balance + storedUnits(change.amount) !== storedUnits(change.balance)) {
    return "The balance before and the amount do not add up to the balance.";
  }
  return entryDifference(event, change, entry);
}

/**
 * What was forged before the last version breaks the chain of heads. A forged last version, hash and
 * entry included, shows in its segment alone.
 */
async function verifyLastSegment(
  pool: DatabaseClient,
  { walletId, completeTo, signal }: WalletToVerify,
  { position, versions }: Trail,
): Promise<Finding | undefined> {
  if (versions === 0n) return undefined;
  const finding = await verifySegment(pool, position, { upTo: completeTo, signal });
  return finding && { ...finding, walletId, version: versions - 1n };
}

/** Looks through the events behind the last version, which are none of this wallet's. */
async function lookBehind(
  pool: DatabaseClient,
  { walletId, completeTo, signal }: WalletToVerify,
  trail: Trail,
): Promise<Finding | undefined> {
  const version = trail.versions;
  for (let behind = trail.position; behind < completeTo; behind += positionsPerScanMax) {
    signal.throwIfAborted();
    const end = behind + positionsPerScanMax;
    const range = { behind, upTo: end < completeTo ? end : completeTo };
    const mentions = await pool.read((sql) => findMentions(sql, walletId, range));
    for (const event of mentions) {
      const decoded = recomputeEvent(event);
      const changes = typeof decoded === "string" ? [] : decoded.entries;
      // The id may also stand in somebody's request_id.
      if (!changes.some((change) => change.walletId === walletId)) continue;
      const description = "A stored event changes the wallet, and its entry is missing.";
      return { position: event.position, walletId, version, description };
    }
    const count = await pool.read((sql) => countEvents(sql, range));
    if (count < range.upTo - range.behind) {
      const [gap] = await pool.read((sql) => findMissing(sql, "events", range.behind, 1));
      const position = gap?.first ?? range.behind + count + 1n;
      const description =
        "The event of this position is missing; it may have changed the wallet to this version.";
      return { position, walletId, version, description };
    }
  }
  return undefined;
}
