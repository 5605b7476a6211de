import type { Sql } from "@pelikuni/runtime/postgres";

/** What an account added up to at a position, beside the total before. */
export interface StoredAccountTotal {
  readonly account: string;
  readonly currency: string;
  readonly position: bigint;
  /** What came in and went out since the total before, four decimals. */
  readonly addedIn: string;
  readonly addedOut: string;
  /** When the latest leg up to here occurred, and the latest one up to the total before. */
  readonly latestAt: Date;
  readonly latestBefore: Date | null;
  /** When the earliest leg since the total before occurred. */
  readonly earliestAt: Date;
}

/** Reads the totals behind a position up to another one. */
export async function readTotals(
  sql: Sql,
  { behind, upTo }: { behind: bigint; upTo: bigint },
): Promise<StoredAccountTotal[]> {
  return await sql<StoredAccountTotal[]>`
    select t.account, t.currency, t.position, t.total_in - coalesce(b.total_in, 0) as "addedIn",
      t.total_out - coalesce(b.total_out, 0) as "addedOut", t.latest_at as "latestAt",
      b.latest_at as "latestBefore", t.earliest_at as "earliestAt"
    from account_totals t left join lateral (
      select b.total_in, b.total_out, b.latest_at from account_totals b
      where b.account = t.account and b.currency = t.currency and b.position < t.position
      order by b.position desc limit 1
    ) b on true
    where t.position > ${behind} and t.position <= ${upTo}
    order by t.position, t.account, t.currency`;
}

/** A total, by its key. */
export type TotalKey = Pick<StoredAccountTotal, "account" | "currency" | "position">;

/** Finds totals above the position to which history is complete, where none can be yet. */
export async function findTotalsAbove(sql: Sql, limit: number): Promise<TotalKey[]> {
  return await sql<TotalKey[]>`
    select account, currency, position from account_totals
    where position > (select complete_to from completeness)
    order by position, account, currency limit ${limit}`;
}
