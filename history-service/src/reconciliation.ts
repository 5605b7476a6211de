import type { Client } from "@connectrpc/connect";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import type {
  SnapshotWalletsResponse,
  WalletService,
  WalletState,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { type CurrencyTotal, listCurrencyTotals } from "./account-store.ts";
import { amountText, storedUnits } from "./amount-units.ts";
import { listWalletsAt, type StoredEntry } from "./entry-store.ts";

/** A wallet that the wallet-service and history know differently. */
export interface Difference {
  readonly walletId: string;
  readonly description:
    | "balance"
    | "held"
    | "status"
    | "version"
    | "head"
    | "missing in history"
    | "missing in wallets";
  /** As the wallet-service has it; empty when missing there. */
  readonly walletService: string;
  /** As history has it; empty when missing there. */
  readonly history: string;
}

/** What was compared. */
export interface ReconciliationSummary {
  readonly position: bigint;
  readonly walletCount: bigint;
  /** How many wallets differ. */
  readonly differenceCount: bigint;
  /** By code. */
  readonly currencySums: readonly CurrencySum[];
}

/** What there is of one currency: amounts with four decimals. */
export interface CurrencySum {
  readonly currency: string;
  /** What all wallets of the wallet-service hold together. */
  readonly wallets: string;
  /** What all accounts outside add up to in history. */
  readonly accounts: string;
  /** Nothing, unless money was made or lost. */
  readonly sum: string;
}

/** What the reconciliation works with. */
export interface ReconciliationParts {
  readonly wallets: Client<typeof WalletService>;
  readonly pool: DatabaseClient;
  /** Resolves once history is complete to a position; rejects when that takes too long. */
  readonly untilComplete: (position: bigint) => Promise<void>;
  /** Aborted when nobody waits for the result any more. */
  readonly signal: AbortSignal;
}

/** The wallet-service gave no snapshot, or not all of it. */
export class WalletServiceUnavailable extends Error {
  override readonly name = "WalletServiceUnavailable";
}

/** What one side knows of a wallet. */
interface KnownWallet {
  readonly walletId: string;
  readonly currency: string;
  readonly balance: string;
  readonly held: string;
  readonly status: string;
  readonly version: string;
  readonly head: string;
}

const walletsPerReadMax = 1_000;

/**
 * Compares every wallet as the wallet-service and history know it at one position. Both sides are
 * walked in the order of wallet ids, a page at a time: memory does not grow with their number.
 *
 * @throws WalletServiceUnavailable, DatabaseUnavailable
 */
export async function* reconcile(
  parts: ReconciliationParts,
): AsyncGenerator<Difference | ReconciliationSummary> {
  const snapshot = readSnapshot(parts);
  try {
    const position = await readPosition(snapshot);
    await parts.untilComplete(position);
    const left = readStates(snapshot);
    const right = readHistory(parts.pool, position);
    const walletUnits = new Map<string, bigint>();
    let walletCount = 0n;
    let differenceCount = 0n;
    for await (const [wallet, history] of pairs(left, right)) {
      walletCount += 1n;
      if (wallet) addTo(walletUnits, wallet.currency, storedUnits(wallet.balance));
      const differences = [...compare(wallet, history)];
      if (differences.length > 0) differenceCount += 1n;
      yield* differences;
    }
    const accounts = await parts.pool.read((sql) => listCurrencyTotals(sql, position));
    const currencySums = sumUp(walletUnits, accounts);
    yield { position, walletCount, differenceCount, currencySums };
  } finally {
    await snapshot.return(undefined);
  }
}

function* compare(
  wallet: KnownWallet | undefined,
  history: KnownWallet | undefined,
): Generator<Difference> {
  if (wallet === undefined || history === undefined) {
    const walletId = wallet?.walletId ?? history?.walletId ?? "";
    const description = wallet ? "missing in history" : "missing in wallets";
    yield { walletId, description, walletService: told(wallet), history: told(history) };
    return;
  }
  for (const what of ["balance", "held", "status", "version", "head"] as const) {
    if (wallet[what] === history[what]) continue;
    const { walletId } = wallet;
    yield { walletId, description: what, walletService: wallet[what], history: history[what] };
  }
}

function sumUp(
  walletUnits: ReadonlyMap<string, bigint>,
  accounts: readonly CurrencyTotal[],
): CurrencySum[] {
  const accountUnits = new Map(accounts.map(({ currency, units }) => [currency, units]));
  const codes = new Set([...walletUnits.keys(), ...accountUnits.keys()]);
  return [...codes]
    .toSorted((left, right) => (left < right ? -1 : 1))
    .map((currency) => {
      const inWallets = walletUnits.get(currency) ?? 0n;
      const inAccounts = accountUnits.get(currency) ?? 0n;
      return {
        currency,
        wallets: amountText(inWallets),
        accounts: amountText(inAccounts),
        sum: amountText(inWallets + inAccounts),
      };
    });
}

function addTo(sums: Map<string, bigint>, key: string, units: bigint): void {
  sums.set(key, (sums.get(key) ?? 0n) + units);
}

function told(known: KnownWallet | undefined): string {
  return known ? `balance ${known.balance}, version ${known.version}` : "";
}

/** Joins two walks in the order of wallet ids; a side that lacks a wallet is undefined there. */
async function* pairs(
  left: AsyncGenerator<KnownWallet>,
  right: AsyncGenerator<KnownWallet>,
): AsyncGenerator<[KnownWallet | undefined, KnownWallet | undefined]> {
  let wallet = await nextOf(left);
  let history = await nextOf(right);
  while (wallet !== undefined || history !== undefined) {
    const order = orderOf(wallet, history);
    yield [order <= 0 ? wallet : undefined, order >= 0 ? history : undefined];
    if (order <= 0) wallet = await nextOf(left);
    if (order >= 0) history = await nextOf(right);
  }
}

function orderOf(left: KnownWallet | undefined, right: KnownWallet | undefined): number {
  if (left === undefined) return 1;
  if (right === undefined || left.walletId < right.walletId) return -1;
  return left.walletId === right.walletId ? 0 : 1;
}

async function nextOf<T>(walk: AsyncGenerator<T>): Promise<T | undefined> {
  const result = await walk.next();
  return result.done === true ? undefined : result.value;
}

async function* readSnapshot({
  wallets,
  signal,
}: ReconciliationParts): AsyncGenerator<SnapshotWalletsResponse["content"]> {
  try {
    for await (const { content } of wallets.snapshotWallets({}, { signal })) yield content;
  } catch (error) {
    throw new WalletServiceUnavailable("The wallet-service gave no snapshot.", { cause: error });
  }
}

async function readPosition(
  snapshot: AsyncGenerator<SnapshotWalletsResponse["content"]>,
): Promise<bigint> {
  const first = await nextOf(snapshot);
  if (first?.case !== "position") throw new Error("A snapshot begins without its position.");
  return first.value;
}

async function* readStates(
  snapshot: AsyncGenerator<SnapshotWalletsResponse["content"]>,
): AsyncGenerator<KnownWallet> {
  for await (const content of snapshot) {
    if (content.case === "wallet") yield knownState(content.value);
  }
}

async function* readHistory(pool: DatabaseClient, position: bigint): AsyncGenerator<KnownWallet> {
  let behind: string | undefined;
  do {
    const after = behind;
    const page = { position, behind: after, limit: walletsPerReadMax };
    const entries = await pool.read((sql) => listWalletsAt(sql, page));
    for (const entry of entries) yield knownEntry(entry);
    behind = entries.length < walletsPerReadMax ? undefined : entries.at(-1)?.walletId;
  } while (behind !== undefined);
}

function knownEntry(entry: StoredEntry): KnownWallet {
  const { walletId, currency, balance, held, status, version, head } = entry;
  const numbers = { balance, held, version: version.toString() };
  return { walletId, currency, ...numbers, status, head: hex(head) };
}

function knownState({ wallet, head }: WalletState): KnownWallet {
  if (wallet === undefined) throw new Error("A snapshot's wallet is empty.");
  const { id: walletId, currency, balance, held, status, version } = wallet;
  const numbers = { balance, held, version: version.toString() };
  return { walletId, currency, ...numbers, status: WalletStatus[status], head: hex(head) };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
