import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { storedUnits } from "./amount-units.ts";
import { findLatestEntry, listEntries, type StoredEntry } from "./entry-store.ts";
import { refusalError } from "./history-errors.ts";

/** A period of one wallet, on history as it was complete to one position. */
export interface StatementPeriod {
  readonly walletId: string;
  readonly from: Date;
  readonly to: Date;
  readonly completeTo: bigint;
}

/** One part of a statement; amounts are in ten-thousandths. */
export type StatementPart =
  | { readonly opening: { readonly wallet: StoredEntry; readonly balance: bigint } }
  | { readonly entry: StoredEntry }
  | { readonly closing: StatementTotals };

/** What a statement adds up to, in ten-thousandths. */
export interface StatementTotals {
  readonly balance: bigint;
  readonly entryCount: bigint;
  readonly totalIn: bigint;
  readonly totalOut: bigint;
}

const entriesPerReadMax = 500;

/**
 * Makes a statement: the opening, the entries of the period, the closing. History up to a position
 * never changes, so the pages fit together although more is stored meanwhile.
 *
 * @throws WALLET_NOT_FOUND; HISTORY_DAMAGED when the entries do not add up; DatabaseUnavailable
 */
export async function* makeStatement(
  pool: DatabaseClient,
  { walletId, from, to, completeTo }: StatementPeriod,
): AsyncGenerator<StatementPart> {
  const wallet = await pool.read((sql) => findLatestEntry(sql, walletId, completeTo));
  if (wallet === undefined) throw refusalError({ reason: "WALLET_NOT_FOUND", walletId });
  const before = await pool.read((sql) => {
    return findLatestEntry(sql, walletId, completeTo, { before: from });
  });
  const opening = before ? storedUnits(before.balance) : 0n;
  const totals = { balance: opening, entryCount: 0n, totalIn: 0n, totalOut: 0n };
  const filter = { walletId, completeTo, from, to, kinds: [] };
  let version = before?.version ?? -1n;
  async function readOn(): Promise<StoredEntry[]> {
    const page = { order: "ascending", behind: version, limit: entriesPerReadMax } as const;
    const entries = await pool.read((sql) => listEntries(sql, filter, page));
    for (const entry of entries) {
      addUp(totals, entry, version);
      version = entry.version;
    }
    return entries;
  }

  // Damage among the first entries is told before the opening, while a status can still be chosen.
  let entries = await readOn();
  yield { opening: { wallet, balance: opening } };
  while (entries.length > 0) {
    for (const entry of entries) yield { entry };
    entries = entries.length < entriesPerReadMax ? [] : await readOn();
  }
  yield { closing: totals };
}

function addUp(
  totals: { -readonly [Field in keyof StatementTotals]: StatementTotals[Field] },
  { walletId, version, amount, balance }: StoredEntry,
  versionBefore: bigint,
): void {
  const next = versionBefore + 1n;
  const units = storedUnits(amount);
  totals.balance += units;
  totals.entryCount += 1n;
  if (units > 0n) totals.totalIn += units;
  else totals.totalOut -= units;
  const fits = version === next && totals.balance === storedUnits(balance);
  if (!fits) throw refusalError({ reason: "HISTORY_DAMAGED", walletId, version: next });
}
