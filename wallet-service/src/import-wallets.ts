import { findUsedReferences } from "./account-reference.ts";
import type { Request } from "./command-group.ts";
import type { CommandOutcome } from "./command-outcome.ts";
import { fund } from "./decide/command.ts";
import { importAccount, importReferenceHash, importReferenceOf } from "./import-reference.ts";
import type { EarlierWallet, ImportCurrency } from "./import-row.ts";
import { isZero } from "./money.ts";
import type { WalletEngine } from "./wallet-engine.ts";
import type { RecordedWallet } from "./wallet-events.ts";
import { findWallets } from "./wallet-store.ts";

/** What became of wallets that can be imported. */
export interface ImportCounts {
  /** Did not exist, and do now, with their balances. */
  readonly created: number;
  /** Existed without what they had in the earlier version, and got it. */
  readonly funded: number;
  /** Existed already, or were refused their balance: the comparison tells which differ. */
  readonly left: number;
}

/**
 * Brings over the wallets that are not here yet, and the balances that are not: through the queue,
 * like every other change. What is here is left alone, so that a page may be repeated at any time.
 *
 * @throws CommandFault, DatabaseUnavailable: some may have come over, and a repeat brings the others
 */
export async function importWallets(
  engine: WalletEngine,
  currency: ImportCurrency,
  wallets: readonly EarlierWallet[],
): Promise<ImportCounts> {
  const ids = wallets.map(({ id }) => id);
  const existing = await engine.pool.read((sql) => findWallets(sql, ids));
  const unfunded = wallets.filter(({ id, userId, balance }) => {
    const found = existing.get(id);
    return found && isSame(found, userId, currency) && !isZero(balance);
  });
  const hashes = unfunded.map(({ id }) => importReferenceHash(id));
  const used = await engine.pool.read((sql) => findUsedReferences(sql, hashes));
  const created = wallets.filter(({ id }) => !existing.has(id));
  const funded = unfunded.filter(({ id }) => !used.has(importReferenceHash(id)));
  const creations = created.flatMap((wallet) => [creation(wallet, currency), ...funding(wallet)]);
  const outcomes = await submitAll(engine, [...creations, ...funded.flatMap(funding)]);
  const accepted = outcomes.slice(creations.length).filter((outcome) => "answer" in outcome).length;
  const left = wallets.length - created.length - accepted;
  return { created: created.length, funded: accepted, left };
}

function isSame(found: RecordedWallet, userId: string, { code }: ImportCurrency): boolean {
  return found.userId === userId && found.currency === code;
}

// Without request keys: whether something was done is seen from the wallet and its reference.
function creation({ id: walletId, userId }: EarlierWallet, { code }: ImportCurrency): Request {
  const command = { kind: "createWallet", walletId, userId, currency: code } as const;
  return { command, requestId: "", requestKey: undefined };
}

function funding({ id, balance }: EarlierWallet): Request[] {
  if (isZero(balance)) return [];
  const details = {
    reference: importReferenceOf(id),
    description: "Balance in the earlier version",
    metadata: {},
  };
  const command = fund(id, balance, undefined, importAccount);
  return [{ command, details, requestId: "", requestKey: undefined }];
}

/** Submits all of them together, and waits for each. */
async function submitAll(
  { groupCommit }: WalletEngine,
  requests: readonly Request[],
): Promise<CommandOutcome[]> {
  return await Promise.all(groupCommit.submit(requests, Number.POSITIVE_INFINITY));
}
