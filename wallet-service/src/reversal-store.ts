import type { Sql } from "@pelikuni/runtime/postgres";
import { arrayLiteral } from "@pelikuni/runtime/postgres-array";
import { type Amount, storedAmount } from "./money.ts";

/** What was taken back of a transaction so far. */
export interface RecordedReversals {
  /** Of each leg. */
  readonly reversed: readonly Amount[];
  /** 1 with the first reversal, one more with every other. */
  readonly version: number;
}

/** Reads what was taken back of transactions; those of which nothing was are missing. */
export async function findReversals(
  sql: Sql,
  transactionIds: readonly string[],
): Promise<Map<string, RecordedReversals>> {
  // As text: the driver does not know arrays of numeric without asking the server for their type.
  const rows = await sql<{ id: string; reversed: string; version: number }[]>`
    select transaction_id as id, array_to_string(reversed, ',') as reversed, version
    from reversals where transaction_id = any(${arrayLiteral(transactionIds)}::uuid[])`;
  return new Map(
    rows.map(({ id, reversed, version }) => {
      return [id, { reversed: reversed.split(",").map(storedAmount), version }];
    }),
  );
}
