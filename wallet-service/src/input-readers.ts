import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { createBatchReader } from "./batch-reader.ts";
import type { InputReaders } from "./command-inputs.ts";
import { findHolds } from "./hold-store.ts";
import { findSegment } from "./journal-store.ts";
import { findReversals } from "./reversal-store.ts";
import { placeOf } from "./transaction-id.ts";
import type { PostedTransaction } from "./wallet.ts";
import { readPostedTransaction } from "./wallet-events.ts";
import { findMetadata } from "./wallet-settings-store.ts";
import { findWallets } from "./wallet-store.ts";

/** Creates the readers of what decides commands. */
export function createInputReaders(pool: DatabaseClient): InputReaders {
  return {
    wallets: createBatchReader((ids) => pool.read((sql) => findWallets(sql, ids))),
    holds: createBatchReader((ids) => pool.read((sql) => findHolds(sql, ids))),
    reversals: createBatchReader((ids) => pool.read((sql) => findReversals(sql, ids))),
    metadata: createBatchReader((ids) => pool.read((sql) => findMetadata(sql, ids))),
    transactions: createBatchReader((ids) => findTransactions(pool, ids)),
  };
}

/** Reads one segment of the journal at a time: they are large. */
async function findTransactions(
  pool: DatabaseClient,
  ids: readonly string[],
): Promise<Map<string, PostedTransaction>> {
  const found = new Map<string, PostedTransaction>();
  for (const [segmentId, transactionIds] of bySegment(ids)) {
    const segment = await pool.read((sql) => findSegment(sql, segmentId));
    for (const id of transactionIds) {
      const bytes = segment?.events[placeOf(id).index];
      if (bytes !== undefined) found.set(id, readPostedTransaction(bytes));
    }
  }
  return found;
}

function bySegment(transactionIds: readonly string[]): Map<string, string[]> {
  const segments = new Map<string, string[]>();
  for (const id of transactionIds) {
    const { segmentId } = placeOf(id);
    segments.set(segmentId, [...(segments.get(segmentId) ?? []), id]);
  }
  return segments;
}
