import type { Logger } from "@pelikuni/runtime/logger";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import { createWalletEngine, type WalletEngine } from "../../wallet-service/src/wallet-engine.ts";
import { rules } from "./bench-rules.ts";
import { requireBalancedBooks } from "./books-check.ts";
import { createWallets, runEngine } from "./engine-load.ts";
import { type Run, type Workload, workloads } from "./measurement.ts";
import { createMixedLoad, mix } from "./mixed-load.ts";
import { countTotals, requireConserved } from "./money-check.ts";
import type { PartOptions } from "./part.ts";
import { createPlainTransfers, type PlainTransfers } from "./plain-transfers.ts";
import { type PartResult, type ResultRow, ratioOf, rowOf } from "./report.ts";
import { runInTurn, type Side } from "./rounds.ts";

const callerCounts = [64, 512];
const plainClientCounts = [16, 64];
const warmUpMs = 1_000;
const mixedCallers = 64;
const mixedName = `every operation, ${mixedCallers} callers`;
/** As a multiple of transfers alone, by as many callers. */
const mixedFloor = 0.7;

/** What the engine must reach, as a multiple of the best SQL side, by number of callers. */
const floors: Readonly<Record<Workload, Readonly<Record<number, number>>>> = {
  uniform: { 64: 0.8, 512: 1.1 },
  hot: { 64: 6, 512: 7 },
};

/** Compares the engine without any port to transfers by a hand-written SQL function. */
export async function measureEngine(options: PartOptions): Promise<PartResult> {
  const { bed, logger } = options;
  const plain = await createPlainTransfers(await bed.createDatabase("bench_plain"));
  const database = await bed.createWalletDatabase("bench_engine");
  await using running = await startEngine(database.serviceUrl, logger);
  const walletIds = await createWallets(running.engine);
  const before = await countTotals(database.ownerUrl);
  const plainBalance = await plain.balance();
  const rows: ResultRow[] = [];
  for (const workload of workloads) {
    const { sides, warmUp } = sidesOf(workload, { running, walletIds, plain, options });
    await warmUp();
    const progress = (line: string): void => options.progress(`engine, ${workload}: ${line}`);
    const { rounds, signal } = options;
    const runs = await runInTurn({ sides, rounds, progress, signal });
    rows.push(...rowsOf(workload, plain.driver, runs));
    requireConserved({ balance: plainBalance }, { balance: await plain.balance() });
  }
  options.progress("engine: checking the books by the whole journal");
  const balance = await requireBalancedBooks(running.engine, database.ownerUrl);
  const after = await countTotals(database.ownerUrl);
  const events = after.events - before.events;
  return {
    part: "engine",
    rows,
    notes: [
      "Callers of the engine run in its process: they are the requests that its ports would bring.",
      "Each call has a request_id. The SQL function has neither keys nor heads nor a journal.",
      `Every operation: of a hundred calls ${mix}.`,
      `Money conserved: the SQL function's wallets have what they had; the engine's have the ${balance} ` +
        "that accounts outside gave by the journal, and hold back what their open holds tell. " +
        `${count(events)} events of the engine in ${count(after.groups - before.groups)} groups.`,
    ],
  };
}

interface RunningEngine extends AsyncDisposable {
  readonly engine: WalletEngine;
}

async function startEngine(url: string, logger: Logger): Promise<RunningEngine> {
  return await buildWithResources(async (resources) => {
    const limits = { connectionsMax: 4, cachedWalletsMax: 10_000, queueLengthMax: 10_000, rules };
    const engine = createWalletEngine(
      { database: { url }, ...limits, now: Date.now, logger },
      resources,
    );
    return { engine, [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose]() };
  });
}

function sidesOf(
  workload: Workload,
  parts: {
    running: RunningEngine;
    walletIds: readonly string[];
    plain: PlainTransfers;
    options: PartOptions;
  },
): { sides: Side[]; warmUp: () => Promise<Run> } {
  const { plain, walletIds } = parts;
  const { durationMs } = parts.options;
  const runCallers = (callers: number, runMs: number): Promise<Run> =>
    runEngine(parts.running.engine, walletIds, { callers, durationMs: runMs, workload });
  const plainSides = plainClientCounts.map((clients) => ({
    name: plainName(plain.driver, clients),
    run: () => plain.run({ clients, durationMs, workload }),
  }));
  const engineSides = callerCounts.map((callers) => ({
    name: engineName(callers),
    run: () => runCallers(callers, durationMs),
  }));
  const mixed = createMixedLoad(parts.running.engine, walletIds, workload);
  const mixedSide = {
    name: mixedName,
    run: () => mixed.run({ callers: mixedCallers, durationMs }),
  };
  return {
    sides: [...plainSides, ...engineSides, mixedSide],
    warmUp: async () => {
      await mixed.run({ callers: mixedCallers, durationMs: warmUpMs });
      return await runCallers(Math.max(...callerCounts), warmUpMs);
    },
  };
}

function rowsOf(
  workload: Workload,
  driver: string,
  runs: ReadonlyMap<string, readonly Run[]>,
): ResultRow[] {
  const runsOf = (name: string): readonly Run[] => runs.get(name) ?? [];
  const plainNames = plainClientCounts.map((clients) => plainName(driver, clients));
  const plainRows = plainNames.map((name) => rowOf(workload, name, runsOf(name)));
  const engineRows = callerCounts.map((callers) => {
    const name = engineName(callers);
    const floor = floors[workload][callers];
    const ratio = ratioOf(runsOf(name), plainNames.map(runsOf), `the best ${driver}`, floor);
    return rowOf(workload, name, runsOf(name), ratio);
  });
  const transfers = engineName(mixedCallers);
  const mixedRuns = runsOf(mixedName);
  const mixedRatio = ratioOf(mixedRuns, [runsOf(transfers)], transfers, mixedFloor);
  return [...plainRows, ...engineRows, rowOf(workload, mixedName, mixedRuns, mixedRatio)];
}

function plainName(driver: string, clients: number): string {
  return `${driver}, ${clients} clients`;
}

function engineName(callers: number): string {
  return `engine, ${callers} callers`;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
