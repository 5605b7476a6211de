import { referencesOf } from "./account-reference.ts";
import type { CommandItems } from "./command-inputs.ts";
import type { Basis, Command } from "./decide/command.ts";
import {
  holdIdOf,
  metadataWalletIdOf,
  reversedTransactionIdOf,
  walletIdsOf,
} from "./decide/decide.ts";
import { type Amount, add, zero } from "./money.ts";
import type { RecordedReversals } from "./reversal-store.ts";
import type { Decision, Details, Reversal } from "./wallet.ts";
import type { RecordedEvent, RecordedHold, RecordedWallet } from "./wallet-events.ts";
import type { RecordedMetadata } from "./wallet-settings-store.ts";

/** What a group of commands looked at, and what it leaves behind. */
export interface GroupStates {
  /** Everything that a command looks at, whatever becomes of the command. */
  readonly seen: {
    readonly wallets: ReadonlyMap<string, RecordedWallet | undefined>;
    readonly holds: ReadonlyMap<string, RecordedHold>;
    readonly reversals: ReadonlyMap<string, RecordedReversals | undefined>;
    readonly metadata: ReadonlyMap<string, RecordedMetadata | undefined>;
  };
  readonly after: {
    readonly wallets: ReadonlyMap<string, RecordedWallet>;
    readonly holds: ReadonlyMap<string, RecordedHold>;
    readonly reversals: ReadonlyMap<string, RecordedReversals>;
    readonly metadata: ReadonlyMap<string, RecordedMetadata>;
    /** The transactions that used references up. */
    readonly references: ReadonlyMap<string, string>;
  };
  /** On what the next command is decided: what the commands before it left. */
  readonly basis: Omit<Basis, "rules" | "nowMs">;
  /** Notes what a command looks at. */
  look(command: Command): void;
  /** The transaction that has used up a reference of the decision, if any. */
  usedReference(decision: Decision, details: Details | undefined): string | undefined;
  /** Takes over what a decision leaves. */
  apply(decision: Decision, event: RecordedEvent, details: Details | undefined): void;
  /** The head of a wallet that was looked at. */
  headOf(walletId: string): Uint8Array;
}

/**
 * Begins with the states before the group, as far as this process knows them.
 *
 * @param usedBefore the transactions that used references up, as far as they have been looked up
 */
export function createGroupStates(
  walletBefore: (walletId: string) => RecordedWallet | undefined,
  items: CommandItems,
  usedBefore: ReadonlyMap<string, string>,
): GroupStates {
  const seenWallets = new Map<string, RecordedWallet | undefined>();
  const seenHolds = new Map<string, RecordedHold>();
  const seenReversals = new Map<string, RecordedReversals | undefined>();
  const seenMetadata = new Map<string, RecordedMetadata | undefined>();
  const wallets = new Map<string, RecordedWallet>();
  const holds = new Map<string, RecordedHold>();
  const reversals = new Map<string, RecordedReversals>();
  const metadata = new Map<string, RecordedMetadata>();
  const references = new Map<string, string>();

  const walletOf = (walletId: string): RecordedWallet | undefined => {
    const left = wallets.get(walletId);
    if (left !== undefined) return left;
    if (!seenWallets.has(walletId)) seenWallets.set(walletId, walletBefore(walletId));
    return seenWallets.get(walletId);
  };
  const reversalsOf = (transactionId: string): RecordedReversals | undefined =>
    reversals.get(transactionId) ?? items.reversals.get(transactionId);
  const basis = {
    walletOf,
    holdOf: (id: string) => holds.get(id) ?? items.holds.get(id),
    transactionOf: (id: string) => items.transactions.get(id),
    reversedOf: (id: string) => reversalsOf(id)?.reversed ?? [],
    metadataOf: (id: string) => (metadata.get(id) ?? items.metadata.get(id))?.metadata ?? {},
  };

  return {
    seen: {
      wallets: seenWallets,
      holds: seenHolds,
      reversals: seenReversals,
      metadata: seenMetadata,
    },
    after: { wallets, holds, reversals, metadata, references },
    basis,
    look(command) {
      for (const walletId of walletIdsOf(command, items)) walletOf(walletId);
      const holdId = holdIdOf(command);
      const hold = holdId === undefined ? undefined : items.holds.get(holdId);
      if (hold !== undefined) seenHolds.set(hold.id, hold);
      const updatedId = metadataWalletIdOf(command);
      if (updatedId !== undefined) seenMetadata.set(updatedId, items.metadata.get(updatedId));
      const transactionId = reversedTransactionIdOf(command);
      if (transactionId === undefined || !items.transactions.get(transactionId)) return;
      seenReversals.set(transactionId, items.reversals.get(transactionId));
    },
    usedReference(decision, details) {
      for (const hash of referencesOf(decision.legs, details)) {
        const transactionId = references.get(hash) ?? usedBefore.get(hash);
        if (transactionId !== undefined) return transactionId;
      }
      return undefined;
    },
    apply(decision, event, details) {
      for (const wallet of event.wallets) wallets.set(wallet.id, wallet);
      const { hold, reversal } = decision;
      if (hold !== undefined) {
        const walletVersion = wallets.get(hold.walletId)?.version ?? 0n;
        holds.set(hold.id, { ...hold, walletVersion });
      }
      if (reversal !== undefined) {
        const { transactionId } = reversal;
        const legCount = items.transactions.get(transactionId)?.legs.length ?? 0;
        reversals.set(transactionId, addReversal(reversalsOf(transactionId), reversal, legCount));
      }
      const [wallet] = event.wallets;
      if (decision.metadata && wallet) {
        metadata.set(wallet.id, { metadata: decision.metadata, walletVersion: wallet.version });
      }
      for (const hash of referencesOf(decision.legs, details)) {
        references.set(hash, event.transactionId);
      }
    },
    headOf(walletId) {
      const wallet = walletOf(walletId);
      if (wallet === undefined)
        throw new Error("A decision changed a wallet that nobody looked at.");
      return wallet.head;
    },
  };
}

function addReversal(
  before: RecordedReversals | undefined,
  { legs }: Reversal,
  legCount: number,
): RecordedReversals {
  const reversed: Amount[] = Array.from({ length: legCount }, (_, index) => {
    return before?.reversed[index] ?? zero;
  });
  for (const { index, amount } of legs) reversed[index] = add(reversed[index] ?? zero, amount);
  return { reversed, version: (before?.version ?? 0) + 1 };
}
