import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import type { EventIngestion } from "./event-ingestion.ts";
import { findParked, noteReplay, type ParkedEvent } from "./parked-event-store.ts";

/** What became of a try to take a parked message in: not at all, or why not. */
export type ReplayOutcome =
  | { readonly outcome: "unknown" }
  | { readonly outcome: "replayed" }
  | { readonly outcome: "refused"; readonly reason: string };

/**
 * Tries to take a parked message in again, and notes what became of it. One that was replayed
 * before stays replayed.
 *
 * @throws DatabaseUnavailable
 */
export async function replayParkedEvent(
  parts: {
    readonly pool: DatabaseClient;
    readonly ingestion: EventIngestion;
    readonly now: () => number;
  },
  id: bigint,
): Promise<ReplayOutcome> {
  const { pool, ingestion } = parts;
  const parked = await pool.read((sql) => findParked(sql, id));
  if (parked === undefined) return { outcome: "unknown" };
  if (parked.replayedAt !== null) return { outcome: "replayed" };
  const reason = await ingestion.replay(messageOf(parked));
  const noted = reason === undefined ? { replayedAt: new Date(parts.now()) } : { reason };
  await pool.call((sql) => noteReplay(sql, id, noted));
  return reason === undefined ? { outcome: "replayed" } : { outcome: "refused", reason };
}

function messageOf({
  position,
  value,
  journalHash,
  topic,
  partition,
  offset,
}: ParkedEvent): Parameters<EventIngestion["replay"]>[0] {
  return {
    position: position ?? undefined,
    bytes: value,
    journalHash: journalHash ?? undefined,
    origin: { topic, partition, offset },
    confirmed: false,
  };
}
