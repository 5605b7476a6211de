import { DatabaseUnavailable } from "@pelikuni/runtime/database-fault";
import type { RecordedWallet } from "./wallet-events.ts";

/** Reads single wallets from the database; concurrent reads share a SELECT. */
export interface WalletReader {
  /**
   * The wallet as it is now, `undefined` if there is none. Sees every change that was committed
   * before the call: it never joins a SELECT that was sent already.
   */
  read(walletId: string): Promise<RecordedWallet | undefined>;
}

interface Reading {
  readonly resolve: (wallet: RecordedWallet | undefined) => void;
  readonly reject: (error: unknown) => void;
}

const selectsInFlightMax = 4;
const walletsPerSelectMax = 1_000;

/**
 * Creates a reader.
 *
 * @param find reads wallets by their ids in one SELECT; absent ones are missing from the answer
 */
export function createWalletReader(
  find: (ids: string[]) => Promise<ReadonlyMap<string, RecordedWallet>>,
): WalletReader {
  const waiting = new Map<string, Reading[]>();
  let selectsInFlight = 0;
  let scheduled = false;

  function schedule(): void {
    if (scheduled || selectsInFlight >= selectsInFlightMax) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      void send();
    });
  }

  async function send(): Promise<void> {
    const taken = [...waiting].slice(0, walletsPerSelectMax);
    if (taken.length === 0) return;
    for (const [walletId] of taken) waiting.delete(walletId);
    selectsInFlight += 1;
    if (waiting.size > 0) schedule();
    try {
      const found = await find(taken.map(([walletId]) => walletId));
      for (const [walletId, readings] of taken) {
        for (const { resolve } of readings) resolve(found.get(walletId));
      }
    } catch (error) {
      rejectAll(taken, error);
      // Who waits behind a database that does not answer would only learn the same, later.
      if (error instanceof DatabaseUnavailable) {
        const waitedInVain = [...waiting];
        waiting.clear();
        rejectAll(waitedInVain, error);
      }
    } finally {
      selectsInFlight -= 1;
      if (waiting.size > 0) schedule();
    }
  }

  return {
    read(walletId) {
      return new Promise((resolve, reject) => {
        const readings = waiting.get(walletId);
        if (readings) readings.push({ resolve, reject });
        else waiting.set(walletId, [{ resolve, reject }]);
        schedule();
      });
    },
  };
}

function rejectAll(waiting: readonly [string, readonly Reading[]][], error: unknown): void {
  for (const { reject } of waiting.flatMap(([, readings]) => readings)) reject(error);
}
