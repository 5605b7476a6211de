import { BinaryReader } from "@bufbuild/protobuf/wire";
import type { Sql } from "@pelikuni/runtime/postgres";
import { arrayLiteral } from "@pelikuni/runtime/postgres-array";

/** One committed group of events. */
export interface JournalSegment {
  readonly segmentId: string;
  /** The position of the first event; the next ones follow without a gap. */
  readonly firstPosition: bigint;
  /** The encoded WalletEvents in order, verbatim. */
  readonly events: readonly Uint8Array[];
}

/** Reads one segment by its id. */
export async function findSegment(
  sql: Sql,
  segmentId: string,
): Promise<JournalSegment | undefined> {
  return (await findSegments(sql, [segmentId]))[0];
}

/** Reads segments by their ids, in any order: megabytes each when their groups were large. */
export async function findSegments(
  sql: Sql,
  segmentIds: readonly string[],
): Promise<JournalSegment[]> {
  const rows = await sql<{ segmentId: string; firstPosition: bigint; events: Uint8Array }[]>`
    select segment_id as "segmentId", first_position as "firstPosition", events from journal
    where segment_id = any(${arrayLiteral(segmentIds)}::uuid[])`;
  return rows.map((row) => ({ ...row, events: splitEvents(row.events) }));
}

/** A segment with its place in the chain of hashes. */
export interface ChainedSegment extends JournalSegment {
  /** SHA-256 over the hash before, the first position and the hashes of the events. */
  readonly hash: Uint8Array;
}

const segmentsPerReadMax = 1_000;

/**
 * Reads on behind a position: segments in order, the first one perhaps from its middle; as many as
 * begin within the limit, at least one.
 */
export async function readSegmentsBehind(
  sql: Sql,
  position: bigint,
  bytesMax: number,
): Promise<ChainedSegment[]> {
  const rows = await sql<
    { segmentId: string; firstPosition: bigint; hash: Uint8Array; events: Uint8Array }[]
  >`
    select segment_id as "segmentId", first_position as "firstPosition", hash, events
    from (
      select segment_id, first_position, hash, events,
        sum(octet_length(events)) over (order by first_position) - octet_length(events) as before
      from (
        select segment_id, first_position, hash, events from journal
        where first_position >= coalesce(
            (select max(first_position) from journal where first_position <= ${position}), 1)
          and first_position + event_count - 1 > ${position}
        order by first_position limit ${segmentsPerReadMax}
      ) behind
    ) measured
    where before < ${bytesMax} order by first_position`;
  return rows.map((row) => ({ ...row, events: splitEvents(row.events) }));
}

/** The position of the last event; 0 for an empty journal. */
export async function lastPosition(sql: Sql): Promise<bigint> {
  const rows = await sql<{ position: bigint }[]>`
    select first_position + event_count - 1 as position from journal
    order by first_position desc limit 1`;
  return rows[0]?.position ?? 0n;
}

/** Puts encoded events behind each other, each with its length in front as a protobuf varint. */
export function joinEvents(events: readonly Uint8Array[]): Buffer {
  return Buffer.concat(events.flatMap((event) => [varint(event.length), event]));
}

/** Takes apart what `joinEvents` made. */
export function splitEvents(bytes: Uint8Array): Uint8Array[] {
  const reader = new BinaryReader(bytes);
  const events: Uint8Array[] = [];
  while (reader.pos < reader.len) events.push(reader.bytes());
  return events;
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}
