import { setTimeout as delay } from "node:timers/promises";
import type { PositionTail } from "@pelikuni/runtime/position-tail";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { findTouched } from "./entry-store.ts";

/** Tells when a wallet gets a new entry; one query serves all who watch. */
export interface WalletWatchers {
  /**
   * Resolves once the wallet is touched behind a position, or the signal aborts.
   *
   * @throws DatabaseUnavailable
   */
  untilTouched(walletId: string, behind: bigint, signal: AbortSignal): Promise<void>;
}

interface Watcher {
  readonly walletId: string;
  behind: bigint;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

// A busy journal grows many times in this time; watchers hear of it once.
const lookIntervalMs = 20;

/** Creates the watchers; nothing is asked while nobody watches. */
export function createWalletWatchers(pool: DatabaseClient, tail: PositionTail): WalletWatchers {
  const watchers = new Set<Watcher>();
  let waiting = new AbortController();
  let looking = false;

  async function look(): Promise<void> {
    for (let watched = [...watchers]; watched.length > 0; watched = [...watchers]) {
      const behind = leastOf(watched);
      waiting = new AbortController();
      const upTo = await tail.waitFor(behind + 1n, waiting.signal);
      if (upTo > behind) await tellTouched(watched, behind, upTo);
      await delay(lookIntervalMs);
    }
    looking = false;
  }

  async function tellTouched(
    watched: readonly Watcher[],
    behind: bigint,
    upTo: bigint,
  ): Promise<void> {
    const walletIds = [...new Set(watched.map(({ walletId }) => walletId))];
    const touched = await pool.read((sql) => findTouched(sql, { walletIds, behind, upTo }));
    for (const watcher of watched) {
      if ((touched.get(watcher.walletId) ?? 0n) > watcher.behind) watcher.resolve();
      else if (watcher.behind < upTo) watcher.behind = upTo;
    }
  }

  function startLooking(): void {
    // Whoever joins may have to look at positions that the others are past already.
    waiting.abort();
    if (looking) return;
    looking = true;
    look().catch((error: unknown) => {
      looking = false;
      for (const { reject } of watchers) reject(error);
    });
  }

  return {
    async untilTouched(walletId, behind, signal) {
      if (signal.aborted) return;
      let watcher: Watcher | undefined;
      let abort = (): void => undefined;
      try {
        await new Promise<void>((resolve, reject) => {
          abort = resolve;
          watcher = { walletId, behind, resolve, reject };
          watchers.add(watcher);
          signal.addEventListener("abort", abort, { once: true });
          startLooking();
        });
      } finally {
        signal.removeEventListener("abort", abort);
        if (watcher) watchers.delete(watcher);
        if (watchers.size === 0) waiting.abort();
      }
    },
  };
}

function leastOf(watchers: readonly Watcher[]): bigint {
  let least = watchers[0]?.behind ?? 0n;
  for (const { behind } of watchers) {
    if (behind < least) least = behind;
  }
  return least;
}
