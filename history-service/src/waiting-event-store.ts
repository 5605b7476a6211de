import type { Sql } from "@pelikuni/runtime/postgres";
import { arrayLiteral } from "@pelikuni/runtime/postgres-array";
import type { EventHashes } from "./arrived-events.ts";
import type { ArrivedMessage } from "./parked-event-store.ts";

/** A message that says its position. */
export interface PlacedMessage extends ArrivedMessage {
  readonly position: bigint;
}

/**
 * Keeps messages whose events cannot be taken in yet; those that wait already change nothing.
 *
 * @returns the position that history is complete to, and whether it can go on with what waits
 * @throws PostgresError, of which `throwStopped` tells the meaning
 */
export async function keepWaiting(
  sql: Sql,
  messages: readonly PlacedMessage[],
): Promise<{ completeTo: bigint; goesOn: boolean }> {
  const column = (value: (message: PlacedMessage) => Parameters<typeof arrayLiteral>[0][number]) =>
    arrayLiteral(messages.map(value));
  const rows = await sql<{ completeTo: bigint; goesOn: boolean }[]>`
    select complete_to as "completeTo", goes_on as "goesOn" from keep_waiting(
      ${column(({ position }) => position)},
      ${Buffer.concat(messages.map(({ bytes }) => bytes))},
      ${column(({ bytes }) => BigInt(bytes.length))},
      ${column(({ journalHash }) => journalHash ?? null)},
      ${column(({ confirmed }) => String(confirmed))},
      ${column(({ origin }) => origin.topic)},
      ${column(({ origin }) => BigInt(origin.partition))},
      ${column(({ origin }) => origin.offset)}
    )`;
  const [kept] = rows;
  if (kept === undefined) throw new Error("A function that returns a row returned none.");
  return kept;
}

const bytesPerReadMax = 8 * 1024 * 1024;

/**
 * Reads what waits up to a position and, behind it, without a gap; in order, as many as allowed, and
 * at least one. It is cut when there may be more.
 */
export async function readWaiting(
  sql: Sql,
  position: bigint,
  countMax: number,
): Promise<{ messages: PlacedMessage[]; isCut: boolean }> {
  const rows = await sql<
    (Omit<PlacedMessage, "origin"> &
      ArrivedMessage["origin"] & { journalHash: Uint8Array; isCut: boolean })[]
  >`
    with next as (
      select i.position, i.hash, i.journal_hash,
        i.position <= ${position}
          or i.position = ${position} + dense_rank() over (
            partition by i.position > ${position} order by i.position
          ) as is_dense
      from (
        select position, hash, journal_hash from waiting_events
        order by position, hash, journal_hash limit ${countMax}
      ) i
    )
    select position, journal_hash as "journalHash", bytes, confirmed, topic, partition,
      message_offset as "offset",
      (select count(*) from next) = ${countMax} or count(*) over () < dense_count as "isCut"
    from (
      select w.*, count(*) over () as dense_count, sum(octet_length(w.bytes)) over (order by w.position, w.hash, w.journal_hash)
        - octet_length(w.bytes) as before
      from next join waiting_events w using (position, hash, journal_hash) where next.is_dense
    ) measured
    where before < ${bytesPerReadMax} order by position`;
  const messages = rows.map(
    ({ topic, partition, offset, journalHash, position, bytes, confirmed }) => ({
      position,
      bytes,
      journalHash: journalHash.length > 0 ? journalHash : undefined,
      confirmed,
      origin: { topic, partition, offset },
    }),
  );
  return { messages, isCut: rows[0]?.isCut === true };
}

/** Removes events from those that wait. */
export async function removeWaiting(
  sql: Sql,
  events: readonly (EventHashes & { readonly position: bigint })[],
): Promise<void> {
  await sql`
    delete from waiting_events w
    using unnest(
      ${arrayLiteral(events.map(({ position }) => position))}::bigint[],
      ${arrayLiteral(events.map(({ hash }) => hash))}::bytea[],
      ${arrayLiteral(events.map(({ journalHash }) => journalHash ?? null))}::bytea[]
    ) as a (position, hash, journal_hash)
    where w.position = a.position and w.hash = a.hash
      and w.journal_hash = coalesce(a.journal_hash, '')`;
}

/** The first position behind another one that waits; undefined when none does. */
export async function readFirstWaiting(sql: Sql, behind: bigint): Promise<bigint | undefined> {
  const rows = await sql<{ position: bigint | null }[]>`
    select min(position) as position from waiting_events where position > ${behind}`;
  return rows[0]?.position ?? undefined;
}

/** The highest position that has arrived; 0 while there is none. */
export async function readHighestPosition(sql: Sql): Promise<bigint> {
  const rows = await sql<{ position: bigint }[]>`
    select greatest(complete_to, (select max(position) from waiting_events)) as position
    from completeness`;
  return rows[0]?.position ?? 0n;
}
