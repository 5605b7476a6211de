import type { Sql } from "@pelikuni/runtime/postgres";
import { arrayLiteral } from "@pelikuni/runtime/postgres-array";
import type { EntryActor, EntryDetails } from "./history-entry.ts";

/** An entry as it is stored. Amounts have four decimals. */
export interface StoredEntry {
  readonly walletId: string;
  readonly version: bigint;
  readonly position: bigint;
  readonly transactionId: string;
  readonly occurredAt: Date;
  readonly kind: string;
  readonly amount: string;
  readonly currency: string;
  readonly balance: string;
  readonly held: string;
  readonly status: string;
  readonly userId: string;
  readonly requestId: string;
  readonly details: EntryDetails | null;
  readonly actor: EntryActor | null;
  readonly holdId: string | null;
  readonly reversesTransactionId: string | null;
  /** The wallet's head at this version, 32 bytes. */
  readonly head: Uint8Array;
}

/** Which entries of a wallet to list. */
export interface EntryFilter {
  readonly walletId: string;
  /** Only entries up to this position: what is above it may still have gaps. */
  readonly completeTo: bigint;
  /** Only what occurred at this instant or later. */
  readonly from?: Date | undefined;
  /** Only what occurred before this instant. */
  readonly to?: Date | undefined;
  /** Only these kinds; all when empty. */
  readonly kinds: readonly string[];
}

/** Where a page begins, and how it goes on: by version, behind this one. */
export interface EntryPage {
  readonly order: "ascending" | "descending";
  readonly behind: bigint | undefined;
  readonly limit: number;
}

/**
 * Lists entries of a wallet by version. Its instants never run back, so a period is a range of
 * versions, and every page is a range of the primary key.
 */
export async function listEntries(
  sql: Sql,
  filter: EntryFilter,
  { order, behind, limit }: EntryPage,
): Promise<StoredEntry[]> {
  const { walletId, completeTo, from, to, kinds } = filter;
  const first = from
    ? sql`and version >= (select min(f.version) from (
        select version from entries where wallet_id = ${walletId} and occurred_at >= ${from}
        order by occurred_at, version limit 1) f)`
    : sql``;
  const last = to
    ? sql`and version <= (select max(l.version) from (
        select version from entries where wallet_id = ${walletId} and occurred_at < ${to}
        order by occurred_at desc, version desc limit 1) l)`
    : sql``;
  const ofKinds = kinds.length > 0 ? sql`and kind = any(${arrayLiteral(kinds)}::text[])` : sql``;
  const descending = order === "descending";
  const start = behind === undefined ? sql`` : behindVersion(sql, behind, descending);
  return await sql<StoredEntry[]>`
    select ${entryColumns(sql)} from entries
    where wallet_id = ${walletId} and position <= ${completeTo} ${first} ${last} ${ofKinds} ${start}
    order by version ${descending ? sql`desc` : sql``} limit ${limit}`;
}

function behindVersion(sql: Sql, version: bigint, descending: boolean): ReturnType<Sql> {
  return descending ? sql`and version < ${version}` : sql`and version > ${version}`;
}

/** Reads a wallet's latest entry: of all, at an instant, or before one. */
export async function findLatestEntry(
  sql: Sql,
  walletId: string,
  completeTo: bigint,
  until?: { readonly at: Date } | { readonly before: Date },
): Promise<StoredEntry | undefined> {
  const bound = until === undefined ? sql`` : instantBound(sql, until);
  const rows = await sql<StoredEntry[]>`
    select ${entryColumns(sql)} from entries
    where wallet_id = ${walletId} and position <= ${completeTo} ${bound}
    order by occurred_at desc, version desc limit 1`;
  return rows[0];
}

function instantBound(
  sql: Sql,
  until: { readonly at: Date } | { readonly before: Date },
): ReturnType<Sql> {
  return "at" in until
    ? sql`and occurred_at <= ${until.at}`
    : sql`and occurred_at < ${until.before}`;
}

/** Reads whose a wallet is. */
export async function findOwner(sql: Sql, walletId: string): Promise<string | undefined> {
  const rows = await sql<{ userId: string }[]>`
    select user_id as "userId" from entries
    where wallet_id = ${walletId} order by version limit 1`;
  return rows[0]?.userId;
}

/** Of some wallets, those that were touched behind a position up to another one, and where last. */
export async function findTouched(
  sql: Sql,
  { walletIds, behind, upTo }: { walletIds: readonly string[]; behind: bigint; upTo: bigint },
): Promise<Map<string, bigint>> {
  const rows = await sql<{ walletId: string; position: bigint }[]>`
    select wallet_id as "walletId", max(position) as position from entries
    where position > ${behind} and position <= ${upTo}
      and wallet_id = any(${arrayLiteral(walletIds)}::uuid[])
    group by wallet_id`;
  return new Map(rows.map(({ walletId, position }) => [walletId, position]));
}

/** The wallets as history knows them at a position: a page of latest entries, by wallet id. */
export async function listWalletsAt(
  sql: Sql,
  { position, behind, limit }: { position: bigint; behind: string | undefined; limit: number },
): Promise<StoredEntry[]> {
  const start = behind === undefined ? sql`` : sql`where wallet_id > ${behind}`;
  // Each step finds the next wallet id in the primary key: as many look-ups as wallets, however
  // many entries they have.
  return await sql<StoredEntry[]>`
    with recursive wallets as (
      (select wallet_id from entries ${start} order by wallet_id limit 1)
      union all
      select (select e.wallet_id from entries e where e.wallet_id > w.wallet_id
        order by e.wallet_id limit 1)
      from wallets w where w.wallet_id is not null
    )
    select latest.* from wallets w cross join lateral (
      select ${entryColumns(sql)} from entries
      where wallet_id = w.wallet_id and position <= ${position} order by version desc limit 1
    ) latest limit ${limit}`;
}

/** Reads a wallet's entries behind a version, in order. */
export async function readTrail(
  sql: Sql,
  trail: { walletId: string; completeTo: bigint; behind: bigint; limit: number },
): Promise<StoredEntry[]> {
  const { walletId, completeTo, behind, limit } = trail;
  return await sql<StoredEntry[]>`
    select ${entryColumns(sql)} from entries
    where wallet_id = ${walletId} and position <= ${completeTo} and version > ${behind}
    order by version limit ${limit}`;
}

/** An entry with the head of the version before it, if that is there. */
export interface LinkedEntry extends StoredEntry {
  readonly headBefore: Uint8Array | null;
}

/** Reads all entries of the events behind a position up to another one. */
export async function readEntriesOfEvents(
  sql: Sql,
  { behind, upTo }: { behind: bigint; upTo: bigint },
): Promise<LinkedEntry[]> {
  return await sql<LinkedEntry[]>`
    select ${entryColumns(sql)}, (
      select before.head from entries before
      where before.wallet_id = entries.wallet_id and before.version = entries.version - 1
    ) as "headBefore" from entries
    where position > ${behind} and position <= ${upTo} order by position, version`;
}

/** Finds entries above a position that have no event, lowest first. */
export async function findEntriesWithoutEvent(
  sql: Sql,
  { behind, limit }: { behind: bigint; limit: number },
): Promise<StoredEntry[]> {
  return await sql<StoredEntry[]>`
    select ${entryColumns(sql)} from entries
    where position > ${behind}
      and not exists (select 1 from events where events.position = entries.position)
    order by entries.position limit ${limit}`;
}

function entryColumns(sql: Sql): ReturnType<Sql> {
  return sql`wallet_id as "walletId", version, position, transaction_id as "transactionId",
    occurred_at as "occurredAt", kind, amount, currency, balance, held, status,
    user_id as "userId", request_id as "requestId", details, actor, hold_id as "holdId",
    reverses_transaction_id as "reversesTransactionId", head`;
}
