import { referencesOf } from "./account-reference.ts";
import type { CommandItems } from "./command-inputs.ts";
import type { Basis } from "./decide/command.ts";
import { type Amount, add, zero } from "./money.ts";
import type { RecordedReversals } from "./reversal-store.ts";
import type { Decision, Details, Reversal } from "./wallet.ts";
import type { RecordedEvent, RecordedHold, RecordedWallet } from "./wallet-events.ts";
import type { RecordedMetadata } from "./wallet-settings-store.ts";

/** States of one kind: as decisions were given them before the group, and as the group leaves them. */
export interface TrackedStates<State> {
  /** What was asked for; `undefined` for what does not exist. */
  readonly seen: ReadonlyMap<string, State | undefined>;
  readonly after: ReadonlyMap<string, State>;
}

/** What a group of commands was decided on, refusals too, and what it leaves behind. */
export interface GroupStates {
  readonly wallets: TrackedStates<RecordedWallet>;
  readonly holds: TrackedStates<RecordedHold>;
  readonly reversals: TrackedStates<RecordedReversals>;
  readonly metadata: TrackedStates<RecordedMetadata>;
  /** The transactions of the group that used references up. */
  readonly references: ReadonlyMap<string, string>;
  /** On what the next command is decided: what the commands before it left. Notes what is asked. */
  readonly basis: Omit<Basis, "rules" | "nowMs">;
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
  const wallets = track(walletBefore);
  const holds = track((id) => items.holds.get(id));
  const reversals = track((id) => items.reversals.get(id));
  const metadata = track((id) => items.metadata.get(id));
  const references = new Map<string, string>();
  const basis = {
    walletOf: wallets.of,
    holdOf: holds.of,
    transactionOf: (id: string) => items.transactions.get(id),
    reversedOf: (id: string) => reversals.of(id)?.reversed ?? [],
    metadataOf: (id: string) => metadata.of(id)?.metadata ?? {},
  };

  return {
    wallets,
    holds,
    reversals,
    metadata,
    references,
    basis,
    usedReference(decision, details) {
      for (const hash of referencesOf(decision.legs, details)) {
        const transactionId = references.get(hash) ?? usedBefore.get(hash);
        if (transactionId !== undefined) return transactionId;
      }
      return undefined;
    },
    apply(decision, event, details) {
      for (const wallet of event.wallets) wallets.after.set(wallet.id, wallet);
      const { hold, reversal } = decision;
      if (hold !== undefined) {
        const walletVersion = wallets.after.get(hold.walletId)?.version ?? 0n;
        holds.after.set(hold.id, { ...hold, walletVersion });
      }
      if (reversal !== undefined) {
        const { transactionId } = reversal;
        const legCount = items.transactions.get(transactionId)?.legs.length ?? 0;
        const before = reversals.of(transactionId);
        reversals.after.set(transactionId, addReversal(before, reversal, legCount));
      }
      const [wallet] = event.wallets;
      if (decision.metadata && wallet) {
        const walletVersion = wallet.version;
        metadata.after.set(wallet.id, { metadata: decision.metadata, walletVersion });
      }
      for (const hash of referencesOf(decision.legs, details)) {
        references.set(hash, event.transactionId);
      }
    },
    headOf(walletId) {
      const wallet = wallets.of(walletId);
      if (wallet === undefined)
        throw new Error("A decision changed a wallet that nobody looked at.");
      return wallet.head;
    },
  };
}

/** What the group has left, or else what was before it, which is noted as seen. */
function track<State>(before: (id: string) => State | undefined): TrackedStates<State> & {
  readonly after: Map<string, State>;
  readonly of: (id: string) => State | undefined;
} {
  const seen = new Map<string, State | undefined>();
  const after = new Map<string, State>();
  return {
    seen,
    after,
    of(id) {
      const left = after.get(id);
      if (left !== undefined) return left;
      if (!seen.has(id)) seen.set(id, before(id));
      return seen.get(id);
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
