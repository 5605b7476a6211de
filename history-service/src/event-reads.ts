import type { Sql } from "@pelikuni/runtime/postgres";
import { arrayLiteral } from "@pelikuni/runtime/postgres-array";
import type { PositionRange } from "./event-store.ts";

/** An event as it is stored. */
export interface StoredEvent {
  readonly position: bigint;
  readonly transactionId: string;
  readonly occurredAt: Date;
  readonly hash: Uint8Array;
  readonly bytes: Uint8Array;
  readonly journalHash: Uint8Array | null;
}

/**
 * Reads one event by its transaction.
 *
 * @param userId only if it touches a wallet of this user; undefined: whosesoever they are
 */
export async function findTransaction(
  sql: Sql,
  transactionId: string,
  userId: string | undefined,
): Promise<StoredEvent | undefined> {
  const ofUser =
    userId === undefined
      ? sql``
      : sql`and exists (
          select from entries e where e.position = journal_events.position and e.user_id = ${userId})`;
  const rows = await sql<StoredEvent[]>`
    select ${eventColumns(sql)} from journal_events
    where transaction_id = ${transactionId} ${ofUser}`;
  return rows[0];
}

/**
 * Reads the events of the transactions that take back another one, in order.
 *
 * @param userId only those that touch a wallet of this user; undefined: all
 */
export async function findReversals(
  sql: Sql,
  transactionId: string,
  { userId, limit }: { readonly userId: string | undefined; readonly limit: number },
): Promise<StoredEvent[]> {
  const ofUser = userId === undefined ? sql`` : sql`and e.user_id = ${userId}`;
  return await sql<StoredEvent[]>`
    select ${eventColumns(sql)} from journal_events
    where position in (
      select distinct e.position from entries e where e.reverses_transaction_id = ${transactionId}
        ${ofUser}
      order by e.position limit ${limit}
    )
    order by position`;
}

/** Reads events behind a position up to another one, in order. */
export async function readEvents(
  sql: Sql,
  { behind, upTo, limit }: { behind: bigint; upTo: bigint; limit: number },
): Promise<StoredEvent[]> {
  return await sql<StoredEvent[]>`
    select ${eventColumns(sql)} from journal_events
    where position > ${behind} and position <= ${upTo} order by position limit ${limit}`;
}

/** Reads the events at some positions. */
export async function readEventsAt(sql: Sql, positions: readonly bigint[]): Promise<StoredEvent[]> {
  return await sql<StoredEvent[]>`
    select ${eventColumns(sql)} from journal_events
    where position = any(${arrayLiteral(positions)}::bigint[])`;
}

// So many events are looked at: behind a gap there may be any number.
const eventsLookedThroughMax = 100_000;

/**
 * Finds positions that are missing between events, lowest first, as far as they lie among the next
 * 100,000 of them.
 *
 * @param table the events that are stored, or those that wait
 * @param behind where to begin: nothing is missing up to there
 */
export async function findMissing(
  sql: Sql,
  table: "events" | "waiting_events",
  behind: bigint,
  rangesMax: number,
): Promise<PositionRange[]> {
  return await sql<PositionRange[]>`
    select n.before + 1 as first, n.position - 1 as last
    from (
      select e.position,
        lag(e.position, 1, ${behind}::bigint) over (order by e.position) as before
      from (
        select position from ${sql(table)} where position > ${behind}
        order by position limit ${eventsLookedThroughMax}
      ) e
    ) n
    where n.position > n.before + 1 order by n.position limit ${rangesMax}`;
}

/** Counts the events behind a position up to another one. */
export async function countEvents(
  sql: Sql,
  { behind, upTo }: { behind: bigint; upTo: bigint },
): Promise<bigint> {
  const rows = await sql<{ count: bigint }[]>`
    select count(*) as count from events where position > ${behind} and position <= ${upTo}`;
  return rows[0]?.count ?? 0n;
}

/** Finds events behind a position up to another one whose bytes contain a wallet's id. */
export async function findMentions(
  sql: Sql,
  walletId: string,
  { behind, upTo }: { behind: bigint; upTo: bigint },
): Promise<StoredEvent[]> {
  return await sql<StoredEvent[]>`
    select ${eventColumns(sql)} from journal_events
    where position > ${behind} and position <= ${upTo}
      and position(${Buffer.from(walletId, "latin1")}::bytea in bytes) > 0
    order by position`;
}

/** The last segment that ends before a position: where a verification can begin. */
export async function findAnchorBefore(
  sql: Sql,
  position: bigint,
): Promise<{ position: bigint; journalHash: Uint8Array } | undefined> {
  const rows = await sql<{ position: bigint; journalHash: Uint8Array }[]>`
    select position, journal_hash as "journalHash" from journal_events
    where position < ${position} and journal_hash is not null order by position desc limit 1`;
  return rows[0];
}

/** The first segment end at a position or behind it, up to another one. */
export async function findAnchorFrom(
  sql: Sql,
  { position, upTo }: { position: bigint; upTo: bigint },
): Promise<bigint | undefined> {
  const rows = await sql<{ position: bigint }[]>`
    select position from journal_events
    where position >= ${position} and position <= ${upTo} and journal_hash is not null
    order by position limit 1`;
  return rows[0]?.position;
}

function eventColumns(sql: Sql): ReturnType<Sql> {
  return sql`position, transaction_id as "transactionId", occurred_at as "occurredAt", hash, bytes,
    journal_hash as "journalHash"`;
}
