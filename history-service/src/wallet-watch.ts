import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { listEntries, type StoredEntry } from "./entry-store.ts";
import { readProgress } from "./event-store.ts";
import { refusalError } from "./history-errors.ts";
import type { WalletWatchers } from "./wallet-watchers.ts";

const entriesPerReadMax = 500;

/** Which wallet to watch. */
export interface WatchedWallet {
  readonly walletId: string;
  /** Only if it is this user's; left out: whosesoever it is. */
  readonly userId?: string | undefined;
  /** Told once when it is somebody else's. */
  readonly onForeign?: () => void;
}

/**
 * Reads a wallet's entries from a version on, in order and without a gap, then those that come,
 * until the signal aborts. Somebody else's wallet is like one that never comes into being.
 *
 * @throws HISTORY_DAMAGED when a version is missing; DatabaseUnavailable
 */
export async function* watchWallet(
  { pool, watchers }: { readonly pool: DatabaseClient; readonly watchers: WalletWatchers },
  { walletId, userId, onForeign }: WatchedWallet,
  fromVersion: bigint,
  signal: AbortSignal,
): AsyncGenerator<StoredEntry> {
  let next = fromVersion;
  let isForeign = false;
  while (!signal.aborted) {
    const { completeTo } = await pool.read(readProgress);
    const filter = { walletId, completeTo, kinds: [] };
    const page = { order: "ascending", behind: next - 1n, limit: entriesPerReadMax } as const;
    // A wallet's owner never changes: there is no need to read somebody else's again.
    let entries: StoredEntry[] = [];
    if (!isForeign) entries = await pool.read((sql) => listEntries(sql, filter, page));
    if (userId !== undefined && entries.some((entry) => entry.userId !== userId)) {
      isForeign = true;
      entries = [];
      onForeign?.();
    }
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
