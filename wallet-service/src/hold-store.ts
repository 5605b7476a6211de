import type { Sql } from "@pelikuni/runtime/postgres";
import { arrayLiteral } from "@pelikuni/runtime/postgres-array";
import { storedAmount } from "./money.ts";
import type { HoldStatus } from "./wallet.ts";
import type { RecordedHold } from "./wallet-events.ts";
import type { PageStart } from "./wallet-store.ts";

/** Reads holds as they are now; those that do not exist are missing from the answer. */
export async function findHolds(
  sql: Sql,
  ids: readonly string[],
): Promise<Map<string, RecordedHold>> {
  const rows = await sql<HoldRow[]>`
    select ${holdColumns(sql)} from holds where id = any(${arrayLiteral(ids)}::uuid[])`;
  return new Map(rows.map((row) => [row.id, holdOf(row)]));
}

/** Reads holds, and locks them in id order until the transaction ends. */
export async function lockHolds(
  sql: Sql,
  ids: readonly string[],
): Promise<Map<string, RecordedHold>> {
  const rows = await sql<HoldRow[]>`
    select ${holdColumns(sql)} from holds where id = any(${arrayLiteral(ids)}::uuid[])
    order by id for no key update`;
  return new Map(rows.map((row) => [row.id, holdOf(row)]));
}

/** Lists the holds of a wallet, newest first. */
export async function listHolds(
  sql: Sql,
  options: {
    readonly walletId: string;
    /** Of every status when left out. */
    readonly status?: HoldStatus;
    readonly after?: PageStart;
    readonly limit: number;
  },
): Promise<RecordedHold[]> {
  const { walletId, status, after, limit } = options;
  const ofStatus = status === undefined ? sql`` : sql`and status = ${status}`;
  const behind = after
    ? sql`and (create_time, id) < (${new Date(after.createTimeMs)}, ${after.id}::uuid)`
    : sql``;
  const rows = await sql<HoldRow[]>`
    select ${holdColumns(sql)} from holds where wallet_id = ${walletId} ${ofStatus} ${behind}
    order by create_time desc, id desc limit ${limit}`;
  return rows.map(holdOf);
}

/** Finds open holds whose time is over, those due first in front. */
export async function findDueHoldIds(sql: Sql, nowMs: number, limit: number): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    select id from holds where status = 'OPEN' and expire_time <= ${new Date(nowMs)}
    order by expire_time limit ${limit}`;
  return rows.map(({ id }) => id);
}

interface HoldRow {
  id: string;
  walletId: string;
  currency: string;
  amount: string;
  captured: string;
  status: HoldStatus;
  createTime: Date;
  expireTime: Date;
  walletVersion: bigint;
}

function holdColumns(sql: Sql): ReturnType<Sql> {
  return sql`id, wallet_id as "walletId", currency, amount, captured, status,
    create_time as "createTime", expire_time as "expireTime", wallet_version as "walletVersion"`;
}

function holdOf({ createTime, expireTime, amount, captured, ...row }: HoldRow): RecordedHold {
  return {
    ...row,
    amount: storedAmount(amount),
    captured: storedAmount(captured),
    createTimeMs: createTime.getTime(),
    expireTimeMs: expireTime.getTime(),
  };
}
