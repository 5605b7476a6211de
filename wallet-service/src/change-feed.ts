import type { PositionTail } from "@pelikuni/runtime/position-tail";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { type ChainedSegment, readSegmentsBehind } from "./journal-store.ts";

/** One event of the journal, in its place. */
export interface JournalEvent {
  readonly position: bigint;
  /** The encoded WalletEvent, verbatim. */
  readonly bytes: Uint8Array;
  /** The segment's hash, on its last event alone. */
  readonly journalHash: Uint8Array | undefined;
}

// A reader who does not read on makes the service hold so much, and one segment: at most about
// 4 MiB, and mostly far less.
const bytesPerReadMax = 128 * 1024;

/**
 * Reads the journal behind a position, segment by segment in the order of positions, then what is
 * committed later, until the signal aborts. Reads only as fast as its reader does.
 *
 * @throws DatabaseUnavailable
 */
export async function* readJournal(
  pool: DatabaseClient,
  tail: PositionTail,
  afterPosition: bigint,
  signal: AbortSignal,
): AsyncGenerator<ChainedSegment> {
  let position = afterPosition;
  while (!signal.aborted) {
    const behind = position;
    const segments = await pool.read((sql) => readSegmentsBehind(sql, behind, bytesPerReadMax));
    for (const segment of segments) {
      yield segment;
      if (signal.aborted) return;
      position = segment.firstPosition + BigInt(segment.events.length) - 1n;
    }
    if (segments.length === 0) await tail.waitFor(position + 1n, signal);
  }
}

/** The events of a segment behind a position. */
export function eventsBehind(segment: ChainedSegment, position: bigint): JournalEvent[] {
  const { firstPosition, events, hash } = segment;
  const last = events.length - 1;
  return events.flatMap((bytes, index) => {
    const own = firstPosition + BigInt(index);
    if (own <= position) return [];
    return [{ position: own, bytes, journalHash: index === last ? hash : undefined }];
  });
}
