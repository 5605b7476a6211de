import { runInChild } from "./child-run.ts";
import type { LoadTask } from "./load.ts";
import { type Run, spreadOf, type Workload, workloads } from "./measurement.ts";
import type { PartOptions } from "./part.ts";
import { type PartResult, type ResultRow, ratioOf, rowOf } from "./report.ts";
import { runInTurn, type Side } from "./rounds.ts";
import type { ServedWallets } from "./served-wallets.ts";

/** A server with the same way in as the empty one, and all the work behind it. */
export interface ServedTarget {
  readonly name: string;
  readonly port: number;
  readonly wallets: ServedWallets;
}

/** What is compared, and who calls it. */
export interface ServedPart {
  readonly part: string;
  /** A module of this directory that makes load in a process of its own. */
  readonly loadFile: string;
  readonly callers: number;
  /** A server that answers without doing any work. */
  readonly empty: { readonly name: string; readonly port: number };
  readonly targets: readonly ServedTarget[];
  readonly notes: readonly string[];
}

const warmUpMs = 500;

/** Measures servers under load beside servers that do no work; checks what became of the money. */
export async function measureServed(parts: ServedPart, options: PartOptions): Promise<PartResult> {
  const { rounds, signal } = options;
  const rows: ResultRow[] = [];
  const emptyRuns: Run[] = [];
  await runInTurn({
    sides: sidesOf(parts, "uniform", warmUpMs),
    rounds: 1,
    progress: () => options.progress(`${parts.part}: warming up`),
    signal,
  });
  for (const workload of workloads) {
    const sides = sidesOf(parts, workload, options.durationMs);
    const progress = (line: string): void =>
      options.progress(`${parts.part}, ${workload}: ${line}`);
    const runs = await runInTurn({ sides, rounds, progress, signal });
    const runsOf = (name: string): readonly Run[] => runs.get(name) ?? [];
    const { name: emptyName } = parts.empty;
    emptyRuns.push(...runsOf(emptyName));
    rows.push(rowOf(workload, emptyName, runsOf(emptyName)));
    for (const { name, wallets } of parts.targets) {
      const ratio = ratioOf(runsOf(name), [runsOf(emptyName)], emptyName);
      rows.push(rowOf(workload, name, runsOf(name), ratio));
      await wallets.check();
    }
  }
  const notes = [...parts.notes, describeLoad(emptyRuns), describeMoney(parts.targets)];
  return { part: parts.part, rows, notes };
}

function sidesOf(parts: ServedPart, workload: Workload, durationMs: number): Side[] {
  const { callers, empty, loadFile } = parts;
  const walletIds = [...(parts.targets[0]?.wallets.ids ?? [])];
  const load = (task: Pick<LoadTask, "port" | "walletIds">): Promise<Run> =>
    runInChild(loadFile, { ...task, callers, durationMs, workload } satisfies LoadTask);
  return [
    { name: empty.name, run: () => load({ port: empty.port, walletIds }) },
    ...parts.targets.map(({ name, port, wallets }) => ({
      name,
      run: async () => {
        const run = await load({ port, walletIds: [...wallets.ids] });
        wallets.note(run);
        return run;
      },
    })),
  ];
}

/** What one process could ask for, judged by the calls to servers that keep it busiest. */
function describeLoad(runs: readonly Run[]): string {
  const share = spreadOf(runs.map(({ loadCpu = 1 }) => loadCpu)).median;
  const ceiling = spreadOf(runs.map(({ perSecond, loadCpu = 1 }) => perSecond / loadCpu)).median;
  return (
    `The process that makes the load used ${Math.round(share * 100)} % of a core against the empty ` +
    `server: it could ask for about ${Math.round(ceiling).toLocaleString("en-US")}/s.`
  );
}

function describeMoney(targets: readonly ServedTarget[]): string {
  const counts = targets.map(
    ({ name, wallets }) => `${wallets.acknowledged.toLocaleString("en-US")} by ${name}`,
  );
  return `Money conserved, and each acknowledged transfer acted once: ${counts.join(", ")}.`;
}
