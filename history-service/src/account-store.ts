import type { Sql } from "@pelikuni/runtime/postgres";
import type { EntryDetails } from "./history-entry.ts";

/** A leg between an account outside the wallets and a wallet, as it is stored. */
export interface StoredAccountEntry {
  readonly position: bigint;
  /** The leg's place in its event, from 0. */
  readonly legIndex: number;
  readonly account: string;
  readonly currency: string;
  /** What it added to the account, four decimals. */
  readonly amount: string;
  readonly walletId: string;
  readonly transactionId: string;
  readonly occurredAt: Date;
  readonly kind: string;
  readonly details: EntryDetails | null;
}

/** Which entries of an account to list. */
export interface AccountEntryFilter {
  readonly account: string;
  /** Only this currency; all when undefined. */
  readonly currency: string | undefined;
  /** Only entries up to this position: what is above it may still have gaps. */
  readonly completeTo: bigint;
  /** Only what occurred at this instant or later. */
  readonly from?: Date | undefined;
  /** Only what occurred before this instant. */
  readonly to?: Date | undefined;
}

/** Where a page begins, and how it goes on: by position, then by leg, behind this one. */
export interface AccountEntryPage {
  readonly order: "ascending" | "descending";
  readonly behind: { readonly position: bigint; readonly legIndex: bigint } | undefined;
  readonly limit: number;
}

/**
 * Lists entries of an account by position. Instants may run back from one position to the next, since
 * clocks differ: the totals on the way tell which positions a period lies between.
 */
export async function listAccountEntries(
  sql: Sql,
  filter: AccountEntryFilter,
  { order, behind, limit }: AccountEntryPage,
): Promise<StoredAccountEntry[]> {
  const { account, currency, completeTo, from, to } = filter;
  const direction = order === "descending" ? sql`desc` : sql``;
  const inOrder = sql`order by position ${direction}, leg_index ${direction} limit ${limit}`;
  const start = behind === undefined ? sql`` : behindLeg(sql, behind, order);
  const since = from
    ? sql`and e.occurred_at >= ${from} and e.position > coalesce((
        select t.position from account_totals t
        where t.account = ${account} and t.currency = c.currency and t.latest_at < ${from}
        order by t.position desc limit 1), 0)`
    : sql``;
  const until = to
    ? sql`and e.occurred_at < ${to} and e.position <= coalesce((
        select max(l.position) from account_entries l
        where l.account = ${account} and l.currency = c.currency and l.occurred_at < ${to}
          and l.position > coalesce((
            select max(t.position) from account_totals t
            where t.account = ${account} and t.currency = c.currency), 0)
      ), (
        select t.position from account_totals t
        where t.account = ${account} and t.currency = c.currency and t.earliest_at < ${to}
        order by t.position desc limit 1), 0)`
    : sql``;
  return await sql<StoredAccountEntry[]>`
    with recursive currencies as (${currencies(sql, account, currency)})
    select page.* from currencies c cross join lateral (
      select ${accountEntryColumns(sql)} from account_entries e
      where e.account = ${account} and e.currency = c.currency and e.position <= ${completeTo}
        ${since} ${until} ${start}
      ${inOrder}
    ) page where c.currency is not null order by page.position ${direction}, page."legIndex" ${direction} limit ${limit}`;
}

function behindLeg(
  sql: Sql,
  { position, legIndex }: NonNullable<AccountEntryPage["behind"]>,
  order: AccountEntryPage["order"],
): ReturnType<Sql> {
  // The position by itself too: the index is entered at one bound, of both that are there.
  return order === "descending"
    ? sql`and e.position <= ${position} and (e.position, e.leg_index) < (${position}, ${legIndex})`
    : sql`and e.position >= ${position} and (e.position, e.leg_index) > (${position}, ${legIndex})`;
}

/** The currency asked for, or all of an account: each step finds the next one in the index. */
function currencies(sql: Sql, account: string, currency: string | undefined): ReturnType<Sql> {
  if (currency !== undefined) return sql`select ${currency}::text as currency`;
  return sql`
    (select e.currency from account_entries e where e.account = ${account}
      order by e.currency limit 1)
    union all
    select (select e.currency from account_entries e
      where e.account = ${account} and e.currency > c.currency order by e.currency limit 1)
    from currencies c where c.currency is not null`;
}

/** What an account adds up to, four decimals. */
export interface AccountTotal {
  readonly total: string;
  /** What came from wallets. */
  readonly totalIn: string;
  /** What went to wallets, not negative. */
  readonly totalOut: string;
}

/** What to add up. */
export interface AccountQuestion {
  readonly account: string;
  readonly currency: string;
  /** All legs up to this position, to which history must be complete. */
  readonly upTo: bigint;
  /** Of those, only what occurred by this instant. */
  readonly at?: Date | undefined;
}

/** Adds up an account. */
export async function readAccountTotal(
  sql: Sql,
  { account, currency, upTo, at }: AccountQuestion,
): Promise<AccountTotal> {
  const rows = await sql<AccountTotal[]>`
    select s.total_in - s.total_out as total, s.total_in as "totalIn", s.total_out as "totalOut"
    from account_total(${account}, ${currency}, ${upTo},
      coalesce(${at ?? null}::timestamptz, 'infinity')) s`;
  return rows[0] ?? { total: "0.0000", totalIn: "0.0000", totalOut: "0.0000" };
}

/** What all accounts together add up to. */
export interface CurrencyTotal {
  readonly currency: string;
  /** Ten-thousandths. */
  readonly units: bigint;
}

/** Adds up all accounts at a position to which history is complete, for each currency. */
export async function listCurrencyTotals(sql: Sql, upTo: bigint): Promise<CurrencyTotal[]> {
  const rows = await sql<{ currency: string; units: string }[]>`
    with recursive pairs as (
      (select account, currency from account_entries order by account, currency limit 1)
      union all
      select n.account, n.currency from pairs p cross join lateral (
        select e.account, e.currency from account_entries e
        where (e.account, e.currency) > (p.account, p.currency)
        order by e.account, e.currency limit 1
      ) n
    )
    select p.currency, trunc(sum(s.total_in - s.total_out) * 10000)::text as units
    from pairs p cross join lateral account_total(p.account, p.currency, ${upTo}, 'infinity') s
    group by p.currency`;
  return rows.map(({ currency, units }) => ({ currency, units: BigInt(units) }));
}

/** Reads all account entries of the events behind a position up to another one. */
export async function readAccountEntriesOfEvents(
  sql: Sql,
  { behind, upTo }: { behind: bigint; upTo: bigint },
): Promise<StoredAccountEntry[]> {
  return await sql<StoredAccountEntry[]>`
    select ${accountEntryColumns(sql)} from account_entries e
    where thousand between ${thousandOf(behind + 1n)} and ${thousandOf(upTo)}
      and position > ${behind} and position <= ${upTo}
    order by position, leg_index`;
}

/** Finds account entries above a position that have no event, lowest first. */
export async function findAccountEntriesWithoutEvent(
  sql: Sql,
  { behind, limit }: { behind: bigint; limit: number },
): Promise<StoredAccountEntry[]> {
  return await sql<StoredAccountEntry[]>`
    select ${accountEntryColumns(sql)} from account_entries e
    where thousand >= ${thousandOf(behind + 1n)} and position > ${behind}
      and not exists (select 1 from events where events.position = e.position)
    order by position, leg_index limit ${limit}`;
}

/** Which thousand of positions one belongs to. */
function thousandOf(position: bigint): bigint {
  return (position - 1n) / 1_000n;
}

function accountEntryColumns(sql: Sql): ReturnType<Sql> {
  return sql`position, leg_index as "legIndex", account, e.currency, amount,
    wallet_id as "walletId", transaction_id as "transactionId", occurred_at as "occurredAt", kind,
    details`;
}
