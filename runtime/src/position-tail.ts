import { setTimeout as delay } from "node:timers/promises";

/**
 * Tells when positions that only grow have grown, through this process or another one; one look at
 * the database serves all who wait.
 */
export interface PositionTail {
  /**
   * Resolves once a position is reached, or the signal aborts.
   *
   * @returns the highest position known to be reached
   * @throws what reading the position throws
   */
  waitFor(position: bigint, signal: AbortSignal): Promise<bigint>;
  /** This process has reached a position: wakes without asking the database. */
  reached(position: bigint): void;
}

interface Waiter {
  readonly position: bigint;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Creates the tail. It asks the database only while somebody waits.
 *
 * @param read reads the position that is reached
 * @param pollIntervalMs how often the progress of other processes is looked for
 */
export function createPositionTail(
  read: () => Promise<bigint>,
  pollIntervalMs: number,
): PositionTail {
  const waiters = new Set<Waiter>();
  let known = 0n;
  let polling = false;

  function reached(position: bigint): void {
    if (position > known) known = position;
    for (const waiter of waiters) {
      if (waiter.position <= known) waiter.resolve();
    }
  }

  async function poll(): Promise<void> {
    while (waiters.size > 0) {
      try {
        reached(await read());
      } catch (error) {
        for (const waiter of waiters) waiter.reject(error);
      }
      if (waiters.size > 0) await delay(pollIntervalMs);
    }
    polling = false;
  }

  return {
    reached,
    async waitFor(position, signal) {
      if (known >= position || signal.aborted) return known;
      let abort = (): void => undefined;
      let waiter: Waiter | undefined;
      try {
        await new Promise<void>((resolve, reject) => {
          abort = resolve;
          waiter = { position, resolve, reject };
          waiters.add(waiter);
          signal.addEventListener("abort", abort, { once: true });
          if (polling) return;
          polling = true;
          void poll();
        });
      } finally {
        if (waiter) waiters.delete(waiter);
        signal.removeEventListener("abort", abort);
      }
      return known;
    },
  };
}
