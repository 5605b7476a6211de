import type { Sql } from "@pelikuni/runtime/postgres";
import { arrayLiteral } from "@pelikuni/runtime/postgres-array";
import { storedAmount } from "./money.ts";
import type { Metadata, WalletStatus } from "./wallet.ts";
import type { RecordedWallet } from "./wallet-events.ts";
import { metadataOf } from "./wallet-settings-store.ts";

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

/** A wallet with what is kept beside it. */
export interface KeptWallet {
  readonly wallet: RecordedWallet;
  readonly metadata: Metadata;
}

/** Reads wallets with their metadata of the same moment. */
export async function findKeptWallets(
  sql: Sql,
  ids: readonly string[],
): Promise<Map<string, KeptWallet>> {
  const rows = await sql<(WalletRow & { metadata: unknown })[]>`
    select ${walletColumns(sql)}, metadata
    from wallets left join wallet_settings on wallet_id = id
    where id = any(${arrayLiteral(ids)}::uuid[])`;
  return new Map(
    rows.map(({ metadata, ...row }) => {
      return [row.id, { wallet: walletOf(row), metadata: metadataOf(metadata) }];
    }),
  );
}

/** Reads wallets, and locks them in id order until the transaction ends. */
export async function lockWallets(
  sql: Sql,
  ids: readonly string[],
): Promise<Map<string, RecordedWallet>> {
  return byId(
    await sql<WalletRow[]>`
      select ${walletColumns(sql)} from wallets where id = any(${arrayLiteral(ids)}::uuid[])
      order by id for no key update`,
  );
}

/** Where a page begins: behind this wallet, or hold. */
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

interface WalletRow {
  id: string;
  userId: string;
  currency: string;
  balance: string;
  held: string;
  status: WalletStatus;
  transferLimit: string | null;
  version: bigint;
  head: Uint8Array;
  createTime: Date;
  updateTime: Date;
}

function walletColumns(sql: Sql): ReturnType<Sql> {
  return sql`id, user_id as "userId", currency, balance, held, status, version, head,
    transfer_limit as "transferLimit",
    create_time as "createTime", update_time as "updateTime"`;
}

function byId(rows: readonly WalletRow[]): Map<string, RecordedWallet> {
  return new Map(rows.map((row) => [row.id, walletOf(row)]));
}

function walletOf(row: WalletRow): RecordedWallet {
  const { createTime, updateTime, balance, held, transferLimit, ...others } = row;
  return {
    ...others,
    balance: storedAmount(balance),
    held: storedAmount(held),
    transferLimit: transferLimit === null ? undefined : storedAmount(transferLimit),
    createTimeMs: createTime.getTime(),
    updateTimeMs: updateTime.getTime(),
  };
}
