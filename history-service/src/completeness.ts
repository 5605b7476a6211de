import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { GetCompletenessResponseSchema } from "@pelikuni/gen/history/v1/history_service_pb";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { findMissing, readEventTimes, readHighestPosition, readProgress } from "./event-store.ts";
import { countParked } from "./parked-event-store.ts";

const missingRangesMax = 100;

/**
 * Says how far history has come, what is missing, and how far behind it is.
 *
 * @throws DatabaseUnavailable
 */
export async function readCompleteness(
  pool: DatabaseClient,
): Promise<MessageInitShape<typeof GetCompletenessResponseSchema>> {
  const { completeTo, stoppedReason = "" } = await pool.read(readProgress);
  const [times, highestPosition, missing, parkedCount] = await Promise.all([
    pool.read((sql) => readEventTimes(sql, completeTo)),
    pool.read(readHighestPosition),
    pool.read((sql) => findMissing(sql, completeTo, missingRangesMax)),
    pool.read(countParked),
  ]);
  return {
    completeTo,
    highestPosition,
    missing,
    parkedCount,
    stoppedReason,
    ...(times ? lagOf(times) : {}),
  };
}

function lagOf({ occurredAt, storedAt }: { occurredAt: Date; storedAt: Date }): {
  occurredAt: ReturnType<typeof timestampFromDate>;
  lagMs: bigint;
} {
  const lagMs = Math.max(0, storedAt.getTime() - occurredAt.getTime());
  return { occurredAt: timestampFromDate(occurredAt), lagMs: BigInt(lagMs) };
}
