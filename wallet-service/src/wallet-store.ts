import type { Sql } from "@pelikuni/runtime/postgres";
import { arrayLiteral } from "@pelikuni/runtime/postgres-array";
import postgres from "postgres";
import { formatAmount, storedAmount } from "./money.ts";
import type { WalletStatus } from "./wallet.ts";
import type { RecordedWallet } from "./wallet-events.ts";

/** A wallet that a command looked at, and the state it was decided on; `undefined`: as absent. */
export interface SeenWallet {
  readonly id: string;
  readonly state: RecordedWallet | undefined;
}

/** Everything that one group of decided commands commits. */
export interface GroupToCommit {
  readonly seen: readonly SeenWallet[];
  readonly created: readonly RecordedWallet[];
  /** Wallets that existed before the group, in their final states. */
  readonly changed: readonly RecordedWallet[];
  readonly keys: readonly { key: string; fingerprint: Uint8Array; transactionId: string }[];
  /** Keys of refused commands. */
  readonly refusedKeys: readonly string[];
  readonly segmentId: string;
  readonly eventCount: number;
  /** The encoded events, each with its length in front. */
  readonly events: Buffer;
  /** SHA-256 of each event, one behind the other. */
  readonly eventHashes: Buffer;
}

/** What became of a group: nothing was written unless it is committed. */
export type CommitResult =
  | { readonly outcome: "committed"; readonly firstPosition: bigint }
  /** A wallet is not what a command was decided on. */
  | { readonly outcome: "stale" }
  /** A request key belongs to an earlier request. */
  | { readonly outcome: "taken" };

/** Commits a group as a transaction of its own, if every wallet is as it was seen. */
export async function commitGroup(sql: Sql, group: GroupToCommit): Promise<CommitResult> {
  return await takenOr(commitCall(sql, group));
}

/**
 * Locks wallets, in id order, in a transaction that stays open, and reads them. Two statements, sent
 * together. The client must have one connection only, and no other user until the transaction ends.
 */
export async function lockWallets(
  sql: Sql,
  ids: readonly string[],
): Promise<Map<string, RecordedWallet>> {
  const [, rows] = await Promise.all([
    sql`begin`,
    sql<WalletRow[]>`
      select ${walletColumns(sql)} from wallets where id = any(${arrayLiteral(ids)}::uuid[])
      order by id for no key update`,
  ]);
  return byId(rows);
}

/** Commits a group in the transaction that `lockWallets` opened, and ends it; sent together. */
export async function commitLockedGroup(sql: Sql, group: GroupToCommit): Promise<CommitResult> {
  const [result] = await Promise.all([takenOr(commitCall(sql, group)), sql`commit`]);
  return result;
}

/** Reads wallets as they are now; those that do not exist are missing from the answer. */
export async function findWallets(
  sql: Sql,
  ids: readonly string[],
): Promise<Map<string, RecordedWallet>> {
  return byId(
    await sql<WalletRow[]>`
      select ${walletColumns(sql)} from wallets where id = any(${arrayLiteral(ids)}::uuid[])`,
  );
}

/** Where a page of wallets begins: behind this wallet. */
export interface PageStart {
  readonly createTimeMs: number;
  readonly id: string;
}

/** Lists wallets, newest first, of everybody or of one user. */
export async function listWallets(
  sql: Sql,
  { userId, after, limit }: { userId?: string; after?: PageStart; limit: number },
): Promise<RecordedWallet[]> {
  const ofUser = userId === undefined ? sql`` : sql`and user_id = ${userId}`;
  const behind = after
    ? sql`and (create_time, id) < (${new Date(after.createTimeMs)}, ${after.id}::uuid)`
    : sql``;
  const rows = await sql<WalletRow[]>`
    select ${walletColumns(sql)} from wallets where true ${ofUser} ${behind}
    order by create_time desc, id desc limit ${limit}`;
  return rows.map(walletOf);
}

/** Lists wallets in the order of their ids, behind one of them. */
export async function listWalletsById(
  sql: Sql,
  after: string | undefined,
  limit: number,
): Promise<RecordedWallet[]> {
  const behind = after === undefined ? sql`` : sql`where id > ${after}`;
  const rows = await sql<WalletRow[]>`
    select ${walletColumns(sql)} from wallets ${behind} order by id limit ${limit}`;
  return rows.map(walletOf);
}

async function commitCall(sql: Sql, group: GroupToCommit): Promise<CommitResult> {
  const { seen, created, changed, keys } = group;
  const rows = await sql<{ firstPosition: bigint | null }[]>`
    select commit_group(
      ${arrayLiteral(seen.map((wallet) => wallet.id))},
      ${arrayLiteral(seen.map((wallet) => wallet.state?.version ?? null))},
      ${arrayLiteral(seen.map((wallet) => wallet.state?.head ?? null))},
      ${arrayLiteral(created.map((wallet) => wallet.id))},
      ${arrayLiteral(created.map((wallet) => wallet.userId))},
      ${arrayLiteral(created.map((wallet) => wallet.currency))},
      ${arrayLiteral(created.map((wallet) => wallet.head))},
      ${arrayLiteral(created.map((wallet) => new Date(wallet.createTimeMs)))},
      ${arrayLiteral(changed.map((wallet) => wallet.id))},
      ${arrayLiteral(changed.map((wallet) => formatAmount(wallet.balance)))},
      ${arrayLiteral(changed.map((wallet) => wallet.version))},
      ${arrayLiteral(changed.map((wallet) => wallet.head))},
      ${arrayLiteral(changed.map((wallet) => new Date(wallet.updateTimeMs)))},
      ${arrayLiteral(keys.map((key) => key.key))},
      ${arrayLiteral(keys.map((key) => key.fingerprint))},
      ${arrayLiteral(keys.map((key) => key.transactionId))},
      ${arrayLiteral(group.refusedKeys)},
      ${group.segmentId}, ${group.eventCount}, ${group.events}, ${group.eventHashes}
    ) as "firstPosition"`;
  const firstPosition = rows[0]?.firstPosition ?? null;
  return firstPosition === null ? { outcome: "stale" } : { outcome: "committed", firstPosition };
}

async function takenOr(result: Promise<CommitResult>): Promise<CommitResult> {
  try {
    return await result;
  } catch (error) {
    if (error instanceof postgres.PostgresError && error.code === "PW001") {
      return { outcome: "taken" };
    }
    throw error;
  }
}

interface WalletRow {
  id: string;
  userId: string;
  currency: string;
  balance: string;
  held: string;
  status: WalletStatus;
  version: bigint;
  head: Uint8Array;
  createTime: Date;
  updateTime: Date;
}

function walletColumns(sql: Sql): ReturnType<Sql> {
  return sql`id, user_id as "userId", currency, balance, held, status, version, head,
    create_time as "createTime", update_time as "updateTime"`;
}

function byId(rows: readonly WalletRow[]): Map<string, RecordedWallet> {
  return new Map(rows.map((row) => [row.id, walletOf(row)]));
}

function walletOf({ createTime, updateTime, balance, held, ...row }: WalletRow): RecordedWallet {
  return {
    ...row,
    balance: storedAmount(balance),
    held: storedAmount(held),
    createTimeMs: createTime.getTime(),
    updateTimeMs: updateTime.getTime(),
  };
}
