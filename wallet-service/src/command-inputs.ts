import { type Command, walletIdsOf } from "./wallet.ts";
import type { WalletCache } from "./wallet-cache.ts";
import type { RecordedWallet } from "./wallet-events.ts";
import type { WalletReader } from "./wallet-reader.ts";

/** The states that a command was queued with; a wallet that does not exist maps to `undefined`. */
export type CommandInputs = ReadonlyMap<string, RecordedWallet | undefined>;

/**
 * Gathers the states that decide each command: from the cache, the others from the database. What
 * was read stays with its command and does not fill the cache, which only commits may write.
 *
 * @returns a promise only when something had to be read
 */
export function readInputs(
  commands: readonly Command[],
  cache: WalletCache,
  reader: WalletReader,
): CommandInputs[] | Promise<CommandInputs[]> {
  const inputs = commands.map((command) => fromCache(command, cache, reader));
  const isComplete = inputs.every((one): one is CommandInputs => !(one instanceof Promise));
  return isComplete ? inputs : Promise.all(inputs);
}

function fromCache(
  command: Command,
  cache: WalletCache,
  reader: WalletReader,
): CommandInputs | Promise<CommandInputs> {
  const inputs = new Map<string, RecordedWallet | undefined>();
  const missing: string[] = [];
  for (const walletId of walletIdsOf(command)) {
    const wallet = cache.get(walletId);
    if (wallet === undefined) missing.push(walletId);
    else inputs.set(walletId, wallet);
  }
  return missing.length === 0 ? inputs : addMissing(inputs, missing, reader);
}

async function addMissing(
  inputs: Map<string, RecordedWallet | undefined>,
  missing: readonly string[],
  reader: WalletReader,
): Promise<CommandInputs> {
  const found = await Promise.all(missing.map((walletId) => reader.read(walletId)));
  for (const [index, walletId] of missing.entries()) inputs.set(walletId, found[index]);
  return inputs;
}
