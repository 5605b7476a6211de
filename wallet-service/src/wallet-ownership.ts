import type { Ownership } from "@pelikuni/runtime/access/authorization";
import type { BatchReader } from "@pelikuni/runtime/batch-reader";
import { orUnavailable } from "./rpc/reads.ts";
import { refusalError } from "./wallet-errors.ts";

// About 200 bytes each. A wallet never changes hands, so that what is kept stays true. It answers only
// who owns a wallet: for all others it would be the faster way that tells that there is one.
const ownersKeptMax = 100_000;

/** Knows whose wallets and holds are: of what a wallet's row says, which never changes. */
export function createWalletOwnership(readers: {
  readonly wallets: BatchReader<{ readonly userId: string }>;
  readonly holds: BatchReader<{ readonly walletId: string }>;
}): Ownership {
  const owners = new Map<string, string>();

  return {
    async isOwner(kind, id, userId) {
      // No wallet has the id of a hold that there is not; it is looked for all the same.
      const hold = kind === "hold" ? await orUnavailable(readers.holds.read(id)) : undefined;
      const walletId = hold?.walletId ?? id;
      if (owners.get(walletId) === userId) return true;
      const wallet = await orUnavailable(readers.wallets.read(walletId));
      if (wallet?.userId !== userId) return false;
      const [oldest] = owners.size >= ownersKeptMax ? owners.keys() : [];
      if (oldest !== undefined) owners.delete(oldest);
      owners.set(walletId, userId);
      return true;
    },
    notFound: (kind, id) =>
      refusalError(
        kind === "wallet"
          ? { reason: "WALLET_NOT_FOUND", walletId: id }
          : { reason: "HOLD_NOT_FOUND", holdId: id },
      ),
  };
}
