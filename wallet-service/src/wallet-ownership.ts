import type { Ownership } from "@pelikuni/runtime/authorization";
import type { InputReaders } from "./command-inputs.ts";
import { orUnavailable } from "./rpc/reads.ts";
import { refusalError } from "./wallet-errors.ts";

// About 200 bytes each. A wallet never changes hands, so that what is kept stays true.
const ownersKeptMax = 100_000;

/** Knows whose wallets and holds are: of what a wallet's row says, which never changes. */
export function createWalletOwnership(readers: Pick<InputReaders, "wallets" | "holds">): Ownership {
  const owners = new Map<string, string>();

  async function ownerOfWallet(walletId: string): Promise<string | undefined> {
    const known = owners.get(walletId);
    if (known !== undefined) return known;
    const wallet = await orUnavailable(readers.wallets.read(walletId));
    if (wallet === undefined) return undefined;
    const [oldest] = owners.size >= ownersKeptMax ? owners.keys() : [];
    if (oldest !== undefined) owners.delete(oldest);
    owners.set(walletId, wallet.userId);
    return wallet.userId;
  }

  return {
    async ownerOf(kind, id) {
      if (kind === "wallet") return await ownerOfWallet(id);
      const hold = await orUnavailable(readers.holds.read(id));
      return hold && (await ownerOfWallet(hold.walletId));
    },
    notFound: (kind, id) =>
      refusalError(
        kind === "wallet"
          ? { reason: "WALLET_NOT_FOUND", walletId: id }
          : { reason: "HOLD_NOT_FOUND", holdId: id },
      ),
  };
}
