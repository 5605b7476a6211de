import type { RecordedWallet } from "./wallet-events.ts";

/** The last committed states of the wallets used most recently. May be wrong at any time. */
export interface WalletCache {
  /** The last known state; absence says nothing of the database. */
  get(walletId: string): RecordedWallet | undefined;
  /** Keeps a state that a commit has just confirmed. */
  keep(wallet: RecordedWallet): void;
  /** Forgets everything. */
  clear(): void;
}

/**
 * Creates a cache that forgets the wallet unused for longest when it is full.
 *
 * @param walletsMax how many wallets it holds at most
 */
export function createWalletCache(walletsMax: number): WalletCache {
  // A Map iterates in order of insertion: what is used is put behind the others again.
  const wallets = new Map<string, RecordedWallet>();
  return {
    get(walletId) {
      const wallet = wallets.get(walletId);
      if (wallet !== undefined) {
        wallets.delete(walletId);
        wallets.set(walletId, wallet);
      }
      return wallet;
    },
    keep(wallet) {
      wallets.delete(wallet.id);
      wallets.set(wallet.id, wallet);
      if (wallets.size <= walletsMax) return;
      const oldest = wallets.keys().next();
      if (!oldest.done) wallets.delete(oldest.value);
    },
    clear() {
      wallets.clear();
    },
  };
}
