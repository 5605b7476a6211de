import { tryToLead } from "@pelikuni/runtime/leadership";
import { OperatorError } from "@pelikuni/runtime/operator-error";
import type { DatabaseAddress } from "@pelikuni/runtime/postgres-tls";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import type { Logger } from "pino";
import type { Rules } from "./decide/command.ts";
import { compareWallets } from "./import-comparison.ts";
import { importAccount } from "./import-reference.ts";
import {
  type EarlierRow,
  type EarlierWallet,
  type ImportCurrency,
  readEarlierRow,
} from "./import-row.ts";
import { type ImportSource, openImportSource } from "./import-source.ts";
import { importWallets } from "./import-wallets.ts";
import { type Amount, add, formatAmount, zero } from "./money.ts";
import { createWalletEngine, type WalletEngine } from "./wallet-engine.ts";

/** What an import needs. */
export interface ImportOptions {
  /** Of the earlier version's database. */
  readonly source: DatabaseAddress;
  /** Of this version's database, as the service's own role. */
  readonly database: DatabaseAddress;
  readonly currency: string;
  readonly rules: Rules;
  /** The wall clock, milliseconds since 1970. */
  readonly now: () => number;
  readonly logger: Logger;
  /** Takes each line that the operator is to see. */
  readonly tell: (line: string) => void;
}

const importLockId = 7_003;
const progressIntervalMs = 2_000;
const engineLimits = { connectionsMax: 4, cachedWalletsMax: 1_000, queueLengthMax: 10_000 };

interface Run {
  readonly engine: WalletEngine;
  readonly source: ImportSource;
  readonly currency: ImportCurrency;
  readonly tell: (line: string) => void;
  /** @throws OperatorError once another import may have begun */
  readonly check: () => void;
}

/**
 * Brings all wallets of the earlier version over, then compares each with what is here. What came
 * over before stays as it is: a run that was cut off is simply repeated.
 *
 * @returns whether every wallet of the earlier version is here as it was there
 * @throws OperatorError for what the operator can mend
 */
export async function runImport(options: ImportOptions): Promise<boolean> {
  const currency = currencyOf(options);
  return await buildWithResources(async (resources) => {
    const source = resources.use(await openImportSource(options.source, options.logger));
    const engine = createWalletEngine({ ...options, ...engineLimits }, resources);
    const session = resources.use(engine.openClient("import"));
    const leadership = await tryToLead(session, importLockId);
    if (leadership === undefined) {
      throw new OperatorError("Another import is running; only one may at a time.");
    }
    resources.use(leadership);
    const check = (): void => {
      if (!leadership.lost.aborted) return;
      throw new OperatorError("The database was away. Import again: it goes on where it was.");
    };
    const { tell } = options;
    const run = { engine, source, currency, tell, check };
    await bringOver(run);
    const same = await compareAll(run);
    await resources[Symbol.asyncDispose]();
    return same;
  });
}

function currencyOf({ currency: code, rules }: ImportOptions): ImportCurrency {
  if (!rules.isAccount(importAccount)) {
    throw new OperatorError(`wallet_service.accounts lacks "${importAccount}"; add it.`);
  }
  const decimals = rules.currencyOf(code)?.decimals;
  if (decimals === undefined) {
    throw new OperatorError(
      `import.currency is ${code}, which is not in wallet_service.currencies.`,
    );
  }
  return { code, decimals };
}

async function bringOver({ engine, source, currency, tell, check }: Run): Promise<void> {
  const counts = { created: 0, funded: 0, left: 0, impossible: 0 };
  tell(`Importing wallets in ${currency.code}; the earlier version must have stopped writing.`);
  const progress = createProgress("read", source.estimatedRows, tell);
  for await (const rows of source.readPages()) {
    check();
    const { wallets, problems } = readRows(rows, currency);
    const { created, funded, left } = await importWallets(engine, currency, wallets);
    counts.created += created;
    counts.funded += funded;
    counts.left += left;
    counts.impossible += problems.length;
    progress.add(rows.length);
  }
  tell(
    `${progress.total()}: ${whole(counts.created)} created, ${whole(counts.funded)} given their ` +
      `balance, ${whole(counts.left)} left as they are, ${whole(counts.impossible)} impossible.`,
  );
}

async function compareAll({ engine, source, currency, tell, check }: Run): Promise<boolean> {
  const earlier = { wallets: 0, sum: zero };
  const here = { wallets: 0, sum: zero };
  let used = 0;
  let findings = 0;
  const find = (id: string, sentence: string): void => {
    findings += 1;
    tell(`Wallet ${id}: ${sentence}`);
  };
  const progress = createProgress("compared", source.estimatedRows, tell);
  for await (const rows of source.readPages()) {
    check();
    const { wallets, problems } = readRows(rows, currency);
    for (const { id, problem } of problems) find(id, problem);
    for (const { balance } of wallets) count(earlier, balance);
    for (const wallet of await compareWallets(engine, currency, wallets)) {
      if (wallet.difference !== undefined) find(wallet.id, wallet.difference);
      else count(here, wallet.imported ?? zero);
      if (wallet.used) used += 1;
    }
    progress.add(rows.length);
  }
  const amountOf = ({ wallets, sum }: typeof earlier): string =>
    `${whole(wallets)} wallets with ${formatAmount(sum)}`;
  tell(`${progress.total()}; ${whole(used)} of them used since: for these, what came over.`);
  tell(`${currency.code} in the earlier version: ${amountOf(earlier)}.`);
  tell(`${currency.code} the same here: ${amountOf(here)}.`);
  tell(findings === 0 ? "Everything came over." : `${whole(findings)} wallets differ.`);
  return findings === 0;
}

function count(tally: { wallets: number; sum: Amount }, amount: Amount): void {
  tally.wallets += 1;
  tally.sum = add(tally.sum, amount);
}

function readRows(
  rows: readonly EarlierRow[],
  currency: ImportCurrency,
): { wallets: EarlierWallet[]; problems: { id: string; problem: string }[] } {
  const wallets: EarlierWallet[] = [];
  const problems: { id: string; problem: string }[] = [];
  for (const row of rows) {
    const read = readEarlierRow(row, currency);
    if ("problem" in read) problems.push({ id: row.id, problem: read.problem });
    else wallets.push(read);
  }
  return { wallets, problems };
}

/** Tells every two seconds how far a pass over the earlier version's table is. */
function createProgress(
  done: string,
  estimatedRows: number | undefined,
  tell: (line: string) => void,
): { add: (rows: number) => void; total: () => string } {
  const startMs = performance.now();
  let rows = 0;
  let toldMs = startMs;
  const of = estimatedRows === undefined ? "" : ` of about ${whole(estimatedRows)}`;
  return {
    add(more) {
      rows += more;
      const nowMs = performance.now();
      if (nowMs - toldMs < progressIntervalMs) return;
      toldMs = nowMs;
      const perSecond = Math.round((rows / (nowMs - startMs)) * 1_000);
      tell(`${whole(rows)}${of} ${done}, ${whole(perSecond)} per second`);
    },
    total: () => `${whole(rows)} ${done}`,
  };
}

function whole(value: number): string {
  return value.toLocaleString("en-US");
}
