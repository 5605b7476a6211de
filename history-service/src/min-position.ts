import type { PositionTail } from "@pelikuni/runtime/position-tail";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { readProgress } from "./event-store.ts";
import { refusalError } from "./history-errors.ts";

/** How long a caller can wait, and when he has given up. */
export interface CallerPatience {
  /** Milliseconds left until the call's deadline. */
  readonly timeoutMs: () => number | undefined;
  readonly signal: AbortSignal;
}

// Time to answer within the deadline that history is not complete yet.
const answerMarginMsMax = 250;
const answerMarginShare = 0.25;

/**
 * Waits until history is complete to a position, as far as the caller's deadline allows.
 *
 * @param minPosition 0 does not wait
 * @returns the position that history is complete to
 * @throws NOT_COMPLETE_YET, DatabaseUnavailable
 */
export async function awaitComplete(
  pool: DatabaseClient,
  tail: Pick<PositionTail, "waitFor">,
  minPosition: bigint,
  { timeoutMs, signal }: CallerPatience,
): Promise<bigint> {
  const { completeTo } = await pool.read(readProgress);
  if (completeTo >= minPosition) return completeTo;
  const leftMs = timeoutMs() ?? Number.POSITIVE_INFINITY;
  const waitMs = leftMs - Math.min(answerMarginMsMax, leftMs * answerMarginShare);
  const patience = AbortSignal.any([signal, AbortSignal.timeout(Math.max(0, Math.floor(waitMs)))]);
  const reached = await tail.waitFor(minPosition, patience);
  if (reached >= minPosition) return reached;
  const late = await pool.read(readProgress);
  throw refusalError({ reason: "NOT_COMPLETE_YET", position: minPosition, ...late });
}
