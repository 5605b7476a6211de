import { findUsedReferences } from "./account-reference.ts";
import { importAccount, importReferenceHash } from "./import-reference.ts";
import type { EarlierWallet, ImportCurrency } from "./import-row.ts";
import { type Amount, add, formatAmount, isZero, subtract, zero } from "./money.ts";
import type { PostedTransaction } from "./wallet.ts";
import type { WalletEngine } from "./wallet-engine.ts";
import type { RecordedWallet } from "./wallet-events.ts";
import { findWallets } from "./wallet-store.ts";

/** How one wallet compares with the earlier version. */
export interface ComparedWallet {
  readonly id: string;
  /** What came over; `undefined` when the wallet is not here. */
  readonly imported: Amount | undefined;
  /** Whether something else has changed the wallet since. */
  readonly used: boolean;
  /** What differs, and what to do; `undefined` when nothing does. */
  readonly difference: string | undefined;
}

/**
 * Compares wallets with the earlier version: id, user, currency, and balance. A wallet that has been
 * used since shows what came over in the transaction that brought it, which is compared instead.
 *
 * @throws DatabaseUnavailable
 */
export async function compareWallets(
  engine: WalletEngine,
  currency: ImportCurrency,
  wallets: readonly EarlierWallet[],
): Promise<ComparedWallet[]> {
  const ids = wallets.map(({ id }) => id);
  const existing = await engine.pool.read((sql) => findWallets(sql, ids));
  const used = wallets.filter((wallet) => isUsed(wallet, existing.get(wallet.id)));
  const cameOver = await readImported(
    engine,
    used.map(({ id }) => id),
  );
  return wallets.map((wallet) => {
    const found = existing.get(wallet.id);
    const imported = cameOver.get(wallet.id) ?? found?.balance;
    const difference = differenceOf(wallet, currency, found, imported);
    return { id: wallet.id, imported, used: cameOver.has(wallet.id), difference };
  });
}

/** An import leaves a wallet with its creation, and its funding where there was a balance. */
function isUsed({ balance }: EarlierWallet, found: RecordedWallet | undefined): boolean {
  return found !== undefined && found.version > (isZero(balance) ? 0n : 1n);
}

/** What the journal says that came over, for each wallet. */
async function readImported(
  { pool, readers }: WalletEngine,
  walletIds: readonly string[],
): Promise<ReadonlyMap<string, Amount>> {
  const hashes = walletIds.map(importReferenceHash);
  const used = await pool.read((sql) => findUsedReferences(sql, hashes));
  const amounts = walletIds.map(async (walletId): Promise<[string, Amount]> => {
    const transactionId = used.get(importReferenceHash(walletId));
    const transaction = transactionId && (await readers.transactions.read(transactionId));
    return [walletId, transaction ? amountFromImport(transaction, walletId) : zero];
  });
  return new Map(await Promise.all(amounts));
}

function amountFromImport({ legs }: PostedTransaction, walletId: string): Amount {
  let sum = zero;
  for (const { from, to, amount } of legs) {
    const isOurs = "account" in from && from.account === importAccount;
    if (isOurs && "walletId" in to && to.walletId === walletId) sum = add(sum, amount);
  }
  return sum;
}

function differenceOf(
  { userId, balance }: EarlierWallet,
  { code }: ImportCurrency,
  found: RecordedWallet | undefined,
  imported: Amount = zero,
): string | undefined {
  if (found === undefined) return "It is not here. Import again.";
  if (found.userId !== userId) return "It exists with another user_id, and was left alone.";
  if (found.currency !== code) {
    return `It exists in ${found.currency} instead of ${code}, and was left alone.`;
  }
  if (isZero(subtract(balance, imported))) return undefined;
  const amounts = `${formatAmount(balance)} in the earlier version, ${formatAmount(imported)} came over`;
  if (!isZero(imported)) {
    return `Its balance is another one: ${amounts}. The earlier version wrote after the import.`;
  }
  return found.status === "ACTIVE"
    ? `Its balance is missing: ${amounts}. Import again.`
    : `Its balance is missing: ${amounts}, since it is ${found.status}. Unfreeze it and import again.`;
}
