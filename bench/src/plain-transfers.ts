import { execFile, spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import type { BenchDatabase } from "./bench-bed.ts";
import { withClient } from "./bench-sql.ts";
import { runInChild } from "./child-run.ts";
import type { Run, Workload } from "./measurement.ts";

/** Transfers by one call each of a hand-written SQL function, without any of our code. */
export interface PlainTransfers {
  /** The program that makes the calls, for example "pgbench". */
  readonly driver: string;
  run(options: { clients: number; durationMs: number; workload: Workload }): Promise<Run>;
  /** The sum of all balances, four decimals. */
  balance(): Promise<string>;
}

const sqlDirectory = path.resolve(import.meta.dirname, "../sql");
const pgbenchThreads = 2;
// Connecting is part of the time that pgbench is given, though not of the speed that it tells.
const connectSeconds = 1;

/** Puts the function and its tables into an empty database. */
export async function createPlainTransfers(database: BenchDatabase): Promise<PlainTransfers> {
  const url = database.ownerUrl;
  await withClient(url, async (sql) => {
    await sql.unsafe(await readFile(path.join(sqlDirectory, "plain-transfer.sql"), "utf8"));
  });
  const installed = spawnSync("pgbench", ["--version"]).status === 0;
  return {
    driver: installed ? "pgbench" : "SQL loop in Node",
    run: (options) =>
      installed ? runPgbench(url, options) : runInChild("sql-loop.ts", { url, ...options }),
    balance: () =>
      withClient(url, async (sql) => {
        const [row] = await sql<{ balance: string }[]>`
          select sum(balance)::text as balance from plain_wallets`;
        return row?.balance ?? "";
      }),
  };
}

async function runPgbench(
  url: string,
  options: { clients: number; durationMs: number; workload: Workload },
): Promise<Run> {
  const seconds = Math.ceil(options.durationMs / 1_000) + connectSeconds;
  const args = ["--no-vacuum", "--protocol=prepared", `--jobs=${pgbenchThreads}`];
  args.push(`--client=${options.clients}`, `--time=${seconds}`);
  args.push(`--file=${path.join(sqlDirectory, `${options.workload}.pgbench`)}`, url);
  const { stdout } = await promisify(execFile)("pgbench", args);
  // Where nothing was finished in time, there is no such line.
  return { perSecond: Number(/^tps = ([0-9.]+)/m.exec(stdout)?.[1] ?? 0) };
}
