import type { Sql } from "@pelikuni/runtime/postgres";

/** Reads how far a topic has been published; 0 when nothing has been. */
export async function readCursor(sql: Sql, topic: string): Promise<bigint> {
  const rows = await sql<{ position: bigint }[]>`
    select position from journal_cursors where topic = ${topic}`;
  return rows[0]?.position ?? 0n;
}

/** Notes that a topic has everything up to a position. A cursor never goes back. */
export async function advanceCursor(sql: Sql, topic: string, position: bigint): Promise<void> {
  await sql`
    insert into journal_cursors as c (topic, position) values (${topic}, ${position})
    on conflict (topic) do update
      set position = excluded.position, update_time = clock_timestamp()
      where c.position < excluded.position`;
}

/**
 * Lets this session's later commits be answered before they are on disk: a cursor that is lost in a
 * crash of the database only repeats, and commits of money do not wait behind it.
 */
export async function confirmLazily(sql: Sql): Promise<void> {
  await sql`select set_config('synchronous_commit', 'off', false)`;
}
