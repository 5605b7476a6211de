import type { Sql } from "@pelikuni/runtime/postgres";

/** Where a message came from. */
export interface MessageOrigin {
  /** The Kafka topic, or "feed". */
  readonly topic: string;
  readonly partition: number;
  /** The offset in that partition; of the feed, the position. */
  readonly offset: bigint;
}

/** A message from a source, as it arrived. */
export interface ArrivedMessage {
  /** Its place in the journal, if the message says one. */
  readonly position: bigint | undefined;
  readonly bytes: Uint8Array;
  /** The segment's hash, if the message carries one. */
  readonly journalHash: Uint8Array | undefined;
  readonly origin: MessageOrigin;
  /** Whether the wallet-service itself said it, over its feed: the truth, whatever else arrives. */
  readonly confirmed: boolean;
}

/** A message that was put aside. */
export interface ParkedEvent extends MessageOrigin {
  readonly id: bigint;
  readonly position: bigint | null;
  readonly journalHash: Uint8Array | null;
  readonly value: Uint8Array;
  /** Why it was parked, or why the latest try to take it in failed. */
  readonly reason: string;
  readonly parkedAt: Date;
  readonly replayedAt: Date | null;
}

const reasonLengthMax = 1_000;

/**
 * Puts a message aside; one that is parked already changes nothing.
 *
 * @returns whether it was not parked before
 */
export async function parkMessage(
  sql: Sql,
  { origin, position, journalHash, bytes }: ArrivedMessage,
  reason: string,
): Promise<boolean> {
  const rows = await sql`
    insert into parked_events
      (topic, partition, message_offset, position, journal_hash, value, reason)
    values (${origin.topic}, ${origin.partition}, ${origin.offset}, ${position ?? null},
      ${journalHash ? Buffer.from(journalHash) : null}, ${Buffer.from(bytes)},
      ${storableReason(reason)})
    on conflict do nothing returning id`;
  return rows.length > 0;
}

/** A reason may quote a message, and Postgres stores no U+0000. */
function storableReason(reason: string): string {
  return reason.slice(0, reasonLengthMax).replaceAll("\0", "\\0");
}

/** A page of parked messages. */
export interface ParkedPage {
  /** Oldest first, with the beginnings of their values. */
  readonly shown: readonly ParkedEvent[];
  readonly hasMore: boolean;
}

const parkedValueBytesMax = 65_536;
const parkedPageBytesMax = 2 * 1024 * 1024;

/**
 * Lists parked messages behind an id, oldest first: up to so many, fewer when they are large. Of
 * each value the first 64 KiB are read.
 */
export async function listParked(sql: Sql, behind: bigint, limit: number): Promise<ParkedPage> {
  const shown = await sql<(ParkedEvent & { count: bigint })[]>`
    with page as (
      select b.id, count(*) over () as count, row_number() over (order by b.id) as place,
        sum(least(octet_length(b.value), ${parkedValueBytesMax})) over (order by b.id) as bytes
      from (
        select id, value from parked_events where id > ${behind} order by id limit ${limit + 1}
      ) b
    )
    select page.count, ${parkedColumns(sql)},
      substring(p.value from 1 for ${parkedValueBytesMax}) as value
    from page join parked_events p using (id) left join parked_event_replays r using (id)
    where page.place = 1 or (page.place <= ${limit} and page.bytes <= ${parkedPageBytesMax})
    order by p.id`;
  return { shown, hasMore: (shown[0]?.count ?? 0n) > BigInt(shown.length) };
}

/** Reads one parked message. */
export async function findParked(sql: Sql, id: bigint): Promise<ParkedEvent | undefined> {
  const rows = await sql<ParkedEvent[]>`
    select ${parkedColumns(sql)}, p.value
    from parked_events p left join parked_event_replays r using (id) where p.id = ${id}`;
  return rows[0];
}

/** Notes what became of a try to take a parked message in; success is final. */
export async function noteReplay(
  sql: Sql,
  id: bigint,
  outcome: { readonly reason: string } | { readonly replayedAt: Date },
): Promise<void> {
  const reason = "reason" in outcome ? storableReason(outcome.reason) : null;
  const replayedAt = "replayedAt" in outcome ? outcome.replayedAt : null;
  await sql`
    insert into parked_event_replays as r (id, reason, replayed_at)
    values (${id}, ${reason}, ${replayedAt})
    on conflict (id) do update set reason = excluded.reason, replayed_at = excluded.replayed_at
    where r.replayed_at is null`;
}

/** Counts the messages that are parked and were not replayed. */
export async function countParked(sql: Sql): Promise<bigint> {
  const rows = await sql<{ count: bigint }[]>`
    select count(*) as count from parked_events p left join parked_event_replays r using (id)
    where r.replayed_at is null`;
  return rows[0]?.count ?? 0n;
}

function parkedColumns(sql: Sql): ReturnType<Sql> {
  return sql`p.id, p.topic, p.partition, p.message_offset as "offset", p.position,
    p.journal_hash as "journalHash", coalesce(r.reason, p.reason) as reason,
    p.parked_at as "parkedAt", r.replayed_at as "replayedAt"`;
}
