import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { listEntries, type StoredEntry } from "./entry-store.ts";
import { readProgress } from "./event-store.ts";
import { refusalError } from "./history-errors.ts";
import type { WalletWatchers } from "./wallet-watchers.ts";

const entriesPerReadMax = 500;

/**
 * Reads a wallet's entries from a version on, in order and without a gap, then those that come,
 * until the signal aborts.
 *
 * @throws HISTORY_DAMAGED when a version is missing; DatabaseUnavailable
 */
export async function* watchWallet(
  { pool, watchers }: { readonly pool: DatabaseClient; readonly watchers: WalletWatchers },
  walletId: string,
  fromVersion: bigint,
  signal: AbortSignal,
): AsyncGenerator<StoredEntry> {
  let next = fromVersion;
  while (!signal.aborted) {
    const { completeTo } = await pool.read(readProgress);
    const filter = { walletId, completeTo, kinds: [] };
    const page = { order: "ascending", behind: next - 1n, limit: entriesPerReadMax } as const;
    const entries = await pool.read((sql) => listEntries(sql, filter, page));
    for (const entry of entries) {
      if (entry.version !== next) {
        throw refusalError({ reason: "HISTORY_DAMAGED", walletId, version: next });
      }
      yield entry;
      next += 1n;
    }
    if (entries.length < entriesPerReadMax) {
      await watchers.untilTouched(walletId, completeTo, signal);
    }
  }
}
