import { setTimeout as delay } from "node:timers/promises";
import { DatabaseUnavailable } from "@pelikuni/runtime/database-fault";

/** Tells when the journal has grown; one look at the database serves all who wait. */
export interface JournalTail {
  /**
   * Resolves once the journal reaches beyond a position, or the signal aborts.
   *
   * @throws DatabaseUnavailable
   */
  waitBeyond(position: bigint, signal: AbortSignal): Promise<void>;
  /** This process has committed up to a position: wakes without asking the database. */
  committed(position: bigint): void;
}

interface Waiter {
  readonly position: bigint;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Creates the tail. It asks the database only while somebody waits.
 *
 * @param readLast reads the position of the journal's last event
 * @param pollIntervalMs how often commits of other processes are looked for
 */
export function createJournalTail(
  readLast: () => Promise<bigint>,
  pollIntervalMs: number,
): JournalTail {
  const waiters = new Set<Waiter>();
  let known = 0n;
  let polling = false;

  function wake(position: bigint): void {
    if (position > known) known = position;
    for (const waiter of waiters) {
      if (waiter.position < known) waiter.resolve();
    }
  }

  async function poll(): Promise<void> {
    while (waiters.size > 0) {
      await delay(pollIntervalMs);
      if (waiters.size === 0) return;
      try {
        wake(await readLast());
      } catch (error) {
        if (!(error instanceof DatabaseUnavailable)) throw error;
        for (const waiter of waiters) waiter.reject(error);
      }
    }
  }

  function startPolling(): void {
    if (polling) return;
    polling = true;
    poll()
      .catch((error: unknown) => {
        for (const waiter of waiters) waiter.reject(error);
      })
      .finally(() => {
        polling = false;
        if (waiters.size > 0) startPolling();
      });
  }

  return {
    committed: wake,
    async waitBeyond(position, signal) {
      if (known > position || signal.aborted) return;
      let waiter: Waiter | undefined;
      try {
        await new Promise<void>((resolve, reject) => {
          waiter = { position, resolve, reject };
          waiters.add(waiter);
          signal.addEventListener("abort", waiter.resolve, { once: true });
          startPolling();
        });
      } finally {
        if (waiter) {
          waiters.delete(waiter);
          signal.removeEventListener("abort", waiter.resolve);
        }
      }
    },
  };
}
