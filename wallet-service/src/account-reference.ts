import type { Sql } from "@pelikuni/runtime/postgres";
import { arrayLiteral } from "@pelikuni/runtime/postgres-array";
import { namedUuid } from "./request-key.ts";
import type { Details, Leg } from "./wallet.ts";

/**
 * The references that a movement uses up, one for each account outside that money comes from: as
 * UUIDs, the first 16 bytes of SHA-256 over account and reference.
 */
export function referencesOf(legs: readonly Leg[], details: Details | undefined): string[] {
  const reference = details?.reference ?? "";
  if (reference === "") return [];
  const accounts = legs.flatMap(({ from }) => ("account" in from ? [from.account] : []));
  return [...new Set(accounts)].map((account) => namedUuid(account, reference));
}

/** Finds which references have acted before, and the transactions in which they did. */
export async function findUsedReferences(
  sql: Sql,
  hashes: readonly string[],
): Promise<Map<string, string>> {
  const rows = await sql<{ hash: string; transactionId: string }[]>`
    select hash, transaction_id as "transactionId" from account_references
    where hash = any(${arrayLiteral(hashes)}::uuid[])`;
  return new Map(rows.map(({ hash, transactionId }) => [hash, transactionId]));
}
