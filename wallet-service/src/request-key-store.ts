import type { Sql } from "@pelikuni/runtime/postgres";
import { arrayLiteral } from "@pelikuni/runtime/postgres-array";

/** A request that was acted on. */
export interface TakenKey {
  readonly key: string;
  readonly fingerprint: Uint8Array;
  readonly transactionId: string;
}

/** Finds which of the keys belong to requests that were acted on. */
export async function findTakenKeys(sql: Sql, keys: readonly string[]): Promise<TakenKey[]> {
  return await sql<TakenKey[]>`
    select key, fingerprint, transaction_id as "transactionId" from request_keys
    where key = any(${arrayLiteral(keys)}::uuid[])`;
}

/**
 * Forgets keys older than an instant, at most `limit` of them.
 *
 * @returns how many were forgotten; fewer than `limit` means that none is left
 */
export async function forgetKeys(sql: Sql, olderThanMs: number, limit: number): Promise<number> {
  const result = await sql`
    delete from request_keys where key in (
      select key from request_keys where create_time < ${new Date(olderThanMs)} limit ${limit})`;
  return result.count;
}
