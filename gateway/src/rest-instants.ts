import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { RestRefusal } from "./rest-errors.ts";
import { instantMeaning } from "./rest-patterns.ts";

const parts =
  /^(\d{4}-\d{2}-\d{2})(?:[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+ -])(\d{2}):(\d{2})))?$/;

/**
 * Reads an instant in RFC 3339, or a day, which stands for its beginning in UTC.
 *
 * @throws RestRefusal when it is neither, or is not in the calendar
 */
export function parseInstant(field: string, text: string): Timestamp {
  const [, day, time = "00:00:00", fraction = "", sign, hours = "0", minutes = "0"] =
    parts.exec(text) ?? [];
  const local = new Date(`${day}T${time}Z`);
  // Date counts the 30th of February and 24:00 on into the next day.
  if (Number.isNaN(local.getTime()) || local.toISOString() !== `${day}T${time}.000Z`) {
    throw RestRefusal.ofField(field, instantMeaning);
  }
  const offsetSeconds = (Number(hours) * 60 + Number(minutes)) * 60 * (sign === "-" ? -1 : 1);
  return create(TimestampSchema, {
    seconds: BigInt(local.getTime() / 1_000 - offsetSeconds),
    nanos: Number(fraction.padEnd(9, "0")),
  });
}
