import type { BatchReader } from "@pelikuni/runtime/batch-reader";
import type { Command } from "./decide/command.ts";
import {
  holdIdOf,
  metadataWalletIdOf,
  reversedTransactionIdOf,
  walletIdsOf,
} from "./decide/decide.ts";
import type { RecordedReversals } from "./reversal-store.ts";
import type { PostedTransaction } from "./wallet.ts";
import type { WalletCache } from "./wallet-cache.ts";
import type { RecordedHold, RecordedWallet } from "./wallet-events.ts";
import type { RecordedMetadata } from "./wallet-settings-store.ts";

/** What decides commands beside wallets; what does not exist maps to `undefined`. */
export interface CommandItems {
  readonly holds: ReadonlyMap<string, RecordedHold | undefined>;
  /** What a transaction moved never changes. */
  readonly transactions: ReadonlyMap<string, PostedTransaction | undefined>;
  readonly reversals: ReadonlyMap<string, RecordedReversals | undefined>;
  readonly metadata: ReadonlyMap<string, RecordedMetadata | undefined>;
}

/** What a command was queued with. */
export interface CommandInputs {
  readonly wallets: ReadonlyMap<string, RecordedWallet | undefined>;
  readonly items: CommandItems;
}

/** Reads from the database what decides commands. */
export interface InputReaders {
  readonly wallets: BatchReader<RecordedWallet>;
  readonly holds: BatchReader<RecordedHold>;
  readonly transactions: BatchReader<PostedTransaction>;
  readonly reversals: BatchReader<RecordedReversals>;
  readonly metadata: BatchReader<RecordedMetadata>;
}

/** The items of a command that is decided on wallets alone. */
export const noItems: CommandItems = {
  holds: new Map(),
  transactions: new Map(),
  reversals: new Map(),
  metadata: new Map(),
};

/**
 * Gathers what decides each command: wallets from the cache, everything else from the database. What
 * was read stays with its command and does not fill the cache, which only commits may write.
 *
 * @returns a promise only when something had to be read
 */
export function readInputs(
  commands: readonly Command[],
  cache: WalletCache,
  readers: InputReaders,
): CommandInputs[] | Promise<CommandInputs[]> {
  const inputs = commands.map((command) => inputsOf(command, cache, readers));
  const isComplete = inputs.every((one): one is CommandInputs => !(one instanceof Promise));
  return isComplete ? inputs : Promise.all(inputs);
}

/** Puts together what the commands of a group were queued with. */
export function mergeItems(ofCommands: readonly CommandItems[]): CommandItems {
  const some = ofCommands.filter((items) => items !== noItems);
  if (some.length === 0) return noItems;
  const merge = <Row>(
    pick: (items: CommandItems) => ReadonlyMap<string, Row | undefined>,
  ): Map<string, Row | undefined> => {
    const merged = new Map<string, Row | undefined>();
    for (const [id, row] of some.flatMap((items) => [...pick(items)])) {
      // What one command did not find may have been there when another one looked.
      if (row !== undefined || !merged.has(id)) merged.set(id, row);
    }
    return merged;
  };
  return {
    holds: merge(({ holds }) => holds),
    transactions: merge(({ transactions }) => transactions),
    reversals: merge(({ reversals }) => reversals),
    metadata: merge(({ metadata }) => metadata),
  };
}

function inputsOf(
  command: Command,
  cache: WalletCache,
  readers: InputReaders,
): CommandInputs | Promise<CommandInputs> {
  const items = readItems(command, readers);
  if (items instanceof Promise) {
    return items.then((read) => addWallets(command, read, cache, readers.wallets));
  }
  return addWallets(command, items, cache, readers.wallets);
}

function readItems(command: Command, readers: InputReaders): CommandItems | Promise<CommandItems> {
  const holdId = holdIdOf(command);
  const transactionId = reversedTransactionIdOf(command);
  const walletId = metadataWalletIdOf(command);
  if ((holdId ?? transactionId ?? walletId) === undefined) return noItems;
  const reading = [
    readOne(holdId, readers.holds),
    readOne(transactionId, readers.transactions),
    readOne(transactionId, readers.reversals),
    readOne(walletId, readers.metadata),
  ] as const;
  return Promise.all(reading).then(([holds, transactions, reversals, metadata]) => {
    return { holds, transactions, reversals, metadata };
  });
}

async function readOne<Row>(
  id: string | undefined,
  reader: BatchReader<Row>,
): Promise<Map<string, Row | undefined>> {
  return id === undefined ? new Map() : new Map([[id, await reader.read(id)]]);
}

function addWallets(
  command: Command,
  items: CommandItems,
  cache: WalletCache,
  reader: BatchReader<RecordedWallet>,
): CommandInputs | Promise<CommandInputs> {
  const wallets = new Map<string, RecordedWallet | undefined>();
  const missing: string[] = [];
  for (const walletId of walletIdsOf(command, items)) {
    const wallet = cache.get(walletId);
    if (wallet === undefined) missing.push(walletId);
    else wallets.set(walletId, wallet);
  }
  const inputs = { wallets, items };
  if (missing.length === 0) return inputs;
  return Promise.all(missing.map((walletId) => reader.read(walletId))).then((found) => {
    for (const [index, walletId] of missing.entries()) wallets.set(walletId, found[index]);
    return inputs;
  });
}
