import os from "node:os";
import { parseArgs } from "node:util";
import { createLogger } from "@pelikuni/runtime/logger";
import { measureAuth } from "./auth-part.ts";
import { type BenchBed, createBenchBed } from "./bench-bed.ts";
import { measureEngine } from "./engine-part.ts";
import { measureFlood } from "./flood-part.ts";
import { measureGrpc } from "./grpc-part.ts";
import { measureHistory } from "./history-part.ts";
import { listenForInterruption } from "./interruption.ts";
import { measureOutage } from "./outage-part.ts";
import type { PartOptions } from "./part.ts";
import { measureRelay } from "./relay-part.ts";
import { formatPart, type PartResult } from "./report.ts";
import { measureRest } from "./rest-part.ts";

const partsByName: ReadonlyMap<string, (options: PartOptions) => Promise<PartResult>> = new Map([
  ["engine", measureEngine],
  ["rest", measureRest],
  ["grpc", measureGrpc],
  ["relay", measureRelay],
  ["history", measureHistory],
  ["outage", measureOutage],
  ["auth", measureAuth],
  ["flood", measureFlood],
]);

const usage = `npm run bench -- [PART...] [OPTIONS]

PART is one of ${[...partsByName.keys()].join(", ")}; all of them by default.
  --rounds N    how often each side is measured, in turn; 3 by default
  --seconds N   how long each run takes; 3 by default
  --quick       one round of one second: to see that it works, not to quote
  --json        JSON instead of tables (with npm run -s bench, nothing else on stdout)
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "3" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const rounds = values.quick ? 1 : Number(values.rounds);
const seconds = values.quick ? 1 : Number(values.seconds);
const chosen = positionals.length > 0 ? positionals : [...partsByName.keys()];
const isValid =
  [rounds, seconds].every((value) => Number.isInteger(value) && value >= 1) &&
  chosen.every((name) => partsByName.has(name));

if (values.help || !isValid) {
  (values.help ? process.stdout : process.stderr).write(usage);
  process.exitCode = values.help ? 0 : 2;
} else {
  const signal = listenForInterruption();
  try {
    await measure(signal);
  } catch (error) {
    // What fails after a signal fails because of it: Ctrl-C reaches the children, too.
    if (!signal.aborted) throw error;
  }
}

async function measure(signal: AbortSignal): Promise<void> {
  const startMs = performance.now();
  const progress = (line: string): void => {
    const second = Math.round((performance.now() - startMs) / 1_000);
    process.stderr.write(`${String(second).padStart(4)} s  ${line}\n`);
  };
  const logger = createLogger("bench", { level: "warn", format: "pretty" }, process.stderr);
  progress("starting an embedded Postgres");
  await using bed = await createBenchBed(logger);
  const machine = describeMachine(bed);
  const results: PartResult[] = [];
  for (const name of chosen) {
    const part = partsByName.get(name);
    if (part === undefined) continue;
    const durationMs = seconds * 1_000;
    results.push(await part({ bed, rounds, durationMs, progress, logger, signal }));
  }
  const facts = { machine, rounds, secondsPerRun: seconds, results };
  process.stdout.write(values.json ? `${JSON.stringify(facts, null, 2)}\n` : tables(facts));
}

interface Facts {
  readonly machine: Readonly<Record<string, string | number>>;
  readonly rounds: number;
  readonly secondsPerRun: number;
  readonly results: readonly PartResult[];
}

function tables({ machine, rounds: count, secondsPerRun, results }: Facts): string {
  const described = Object.entries(machine).map(([name, value]) => `${name} ${value}`);
  const method =
    `Medians of ${count} rounds of ${secondsPerRun} s, sides in turn; ratios are taken round by ` +
    "round. Absolute figures drift with the machine: compare ratios.";
  return `${[described.join(", "), method, ...results.map(formatPart)].join("\n\n")}\n`;
}

function describeMachine(bed: BenchBed): Facts["machine"] {
  return {
    cores: os.availableParallelism(),
    processor: os.cpus()[0]?.model ?? "unknown",
    node: process.version,
    postgres: bed.postgresVersion,
    fsync: bed.fsync,
  };
}
