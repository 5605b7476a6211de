import type { PositionTail } from "@pelikuni/runtime/position-tail";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { findAnchorFrom } from "./event-reads.ts";
import { readProgress } from "./event-store.ts";

/** Where to look for the end, and for how long. */
export interface SegmentEndParts {
  readonly pool: DatabaseClient;
  readonly tail: Pick<PositionTail, "waitFor">;
  /** How long to wait for an end that has not arrived. */
  readonly waitMs: number;
  /** Aborted when nobody waits for the result any more. */
  readonly signal: AbortSignal;
}

/**
 * Finds where the segment of a position ends; awaits the end when it is still on its way. Only there
 * does a hash cover everything: no other end can be told from one whose hash was removed.
 *
 * @param position history is complete to it
 * @returns the position of the end; the given one when no end has come
 * @throws DatabaseUnavailable
 */
export async function awaitSegmentEnd(
  { pool, tail, waitMs, signal }: SegmentEndParts,
  position: bigint,
): Promise<bigint> {
  if (position === 0n) return position;
  const patience = AbortSignal.any([signal, AbortSignal.timeout(waitMs)]);
  for (;;) {
    const { completeTo } = await pool.read(readProgress);
    const end = await pool.read((sql) => findAnchorFrom(sql, { position, upTo: completeTo }));
    if (end !== undefined || patience.aborted) return end ?? position;
    await tail.waitFor(completeTo + 1n, patience);
  }
}
