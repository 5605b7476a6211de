import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { invalidFields } from "@pelikuni/runtime/rpc-validation";

const secondsMin = -62_135_596_800n;
const secondsMax = 253_402_300_799n;
const nanosMax = 999_999_999;
const nanosPerMs = 1_000_000;

/**
 * The last millisecond that is not after an instant: what occurred by then occurred by the instant,
 * since events are placed by milliseconds.
 *
 * @throws INVALID_FIELD
 */
export function lastMsUntil(field: string, instant: Timestamp): Date {
  const { ms } = split(field, instant);
  return new Date(ms);
}

/**
 * The first millisecond that is not before an instant.
 *
 * @throws INVALID_FIELD
 */
function firstMsFrom(field: string, instant: Timestamp): Date {
  const { ms, isWhole } = split(field, instant);
  return new Date(isWhole ? ms : ms + 1);
}

/**
 * A period, as far as it is bounded: from its first millisecond up to but without its last one.
 *
 * @throws INVALID_FIELD
 */
export function periodOf({
  from,
  to,
}: {
  readonly from?: Timestamp | undefined;
  readonly to?: Timestamp | undefined;
}): {
  from: Date | undefined;
  to: Date | undefined;
} {
  return { from: from && firstMsFrom("from", from), to: to && firstMsFrom("to", to) };
}

function split(field: string, { seconds, nanos }: Timestamp): { ms: number; isWhole: boolean } {
  const inRange = seconds >= secondsMin && seconds <= secondsMax && nanos >= 0 && nanos <= nanosMax;
  if (!inRange) {
    const description = "must be an instant between the years 1 and 9999";
    throw invalidFields([{ field, description }]);
  }
  const ms = Number(seconds) * 1_000 + Math.floor(nanos / nanosPerMs);
  return { ms, isWhole: nanos % nanosPerMs === 0 };
}
