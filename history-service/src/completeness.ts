import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { GetCompletenessResponseSchema } from "@pelikuni/gen/history/v1/history_service_pb";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { placeEvent } from "./arrived-events.ts";
import { findMissing } from "./event-reads.ts";
import { readOccurredAt, readProgress } from "./event-store.ts";
import type { JournalReader } from "./journal-reader.ts";
import { countParked } from "./parked-event-store.ts";
import type { SourceHealth } from "./source-health.ts";
import { readHighestPosition } from "./waiting-event-store.ts";

const missingRangesMax = 100;

/**
 * Says how far history has come, what is missing, and how far behind the wallet-service it is.
 *
 * @throws DatabaseUnavailable
 */
export async function readCompleteness(parts: {
  readonly pool: DatabaseClient;
  readonly journal: JournalReader;
  readonly source: SourceHealth;
  readonly now: () => number;
}): Promise<MessageInitShape<typeof GetCompletenessResponseSchema>> {
  const { pool, journal, source } = parts;
  const { completeTo, stoppedReason = "" } = await pool.read(readProgress);
  const [occurredAt, highestPosition, missing, parkedCount, lastPosition] = await Promise.all([
    pool.read((sql) => readOccurredAt(sql, completeTo)),
    pool.read(readHighestPosition),
    pool.read((sql) => findMissing(sql, "waiting_events", completeTo, missingRangesMax)),
    pool.read(countParked),
    journal.readLastPosition(),
  ]);
  const { failure } = source;
  return {
    completeTo,
    highestPosition,
    missing,
    parkedCount,
    stoppedReason,
    ...(occurredAt ? { occurredAt: timestampFromDate(occurredAt) } : {}),
    ...(lastPosition === undefined
      ? {}
      : {
          walletServicePosition: lastPosition,
          lagMs: lastPosition > completeTo ? await lagBehind(parts, completeTo) : 0n,
        }),
    ...(failure
      ? { sourceError: failure.reason, sourceFailingSince: timestampFromMs(failure.sinceMs) }
      : {}),
  };
}

/** How long ago the first event occurred that history lacks. */
async function lagBehind(
  { journal, now }: { readonly journal: JournalReader; readonly now: () => number },
  completeTo: bigint,
): Promise<bigint> {
  const message = await journal.readEvent(completeTo + 1n);
  const event = message && placeEvent(message);
  // What cannot be read is missing all the same: a millisecond says so.
  if (event === undefined || typeof event === "string") return 1n;
  return BigInt(Math.max(1, now() - event.occurredAtMs));
}
