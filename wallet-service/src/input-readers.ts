import { createBatchReader } from "@pelikuni/runtime/batch-reader";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import type { InputReaders } from "./command-inputs.ts";
import { findHolds } from "./hold-store.ts";
import { findSegments } from "./journal-store.ts";
import { findReversals } from "./reversal-store.ts";
import { placeOf } from "./transaction-id.ts";
import type { PostedTransaction } from "./wallet.ts";
import { readPostedTransaction } from "./wallet-events.ts";
import { findMetadata } from "./wallet-settings-store.ts";
import { findWallets } from "./wallet-store.ts";

const segmentsPerSelectMax = 4;

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

/** Reads a few segments of the journal at a time: they may be large. */
async function findTransactions(
  pool: DatabaseClient,
  ids: readonly string[],
): Promise<Map<string, PostedTransaction>> {
  const found = new Map<string, PostedTransaction>();
  const segmentIds = [...new Set(ids.map((id) => placeOf(id).segmentId))];
  for (let begin = 0; begin < segmentIds.length; begin += segmentsPerSelectMax) {
    const wanted = segmentIds.slice(begin, begin + segmentsPerSelectMax);
    const segments = await pool.read((sql) => findSegments(sql, wanted));
    const events = new Map(segments.map((segment) => [segment.segmentId, segment.events]));
    for (const id of ids) {
      const { segmentId, index } = placeOf(id);
      const bytes = events.get(segmentId)?.[index];
      if (bytes !== undefined) found.set(id, readPostedTransaction(bytes));
    }
  }
  return found;
}
