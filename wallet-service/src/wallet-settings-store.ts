import type { Sql } from "@pelikuni/runtime/postgres";
import { arrayLiteral } from "@pelikuni/runtime/postgres-array";
import { z } from "zod";
import type { Metadata } from "./wallet.ts";

const metadataSchema = z.record(z.string(), z.string());

/** A wallet's metadata with the version that the wallet had when they changed last. */
export interface RecordedMetadata {
  readonly metadata: Metadata;
  readonly walletVersion: bigint;
}

/** Reads what is kept beside wallets; those that never had any are missing from the answer. */
export async function findMetadata(
  sql: Sql,
  walletIds: readonly string[],
): Promise<Map<string, RecordedMetadata>> {
  const rows = await sql<{ id: string; metadata: unknown; walletVersion: bigint }[]>`
    select wallet_id as id, metadata, wallet_version as "walletVersion" from wallet_settings
    where wallet_id = any(${arrayLiteral(walletIds)}::uuid[])`;
  return new Map(
    rows.map(({ id, metadata, walletVersion }) => {
      return [id, { metadata: metadataOf(metadata), walletVersion }];
    }),
  );
}

/** The pairs that a column holds; none where there is no row. */
export function metadataOf(column: unknown): Metadata {
  return metadataSchema.parse(column ?? {});
}
