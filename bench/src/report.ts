import { type Run, type Spread, spreadOf, type Workload } from "./measurement.ts";

/** The figures of one side under one workload. */
export interface ResultRow {
  readonly workload: Workload;
  readonly side: string;
  readonly perSecond: Spread;
  readonly p50Ms: Spread | undefined;
  readonly p99Ms: Spread | undefined;
  readonly maxMs: Spread | undefined;
  /** How many times the other side's figure, round by round. */
  readonly ratio:
    | { readonly to: string; readonly times: Spread; readonly floor?: number }
    | undefined;
  /** What is asked of the side whatever others do, such as "p99 below 500 ms". */
  readonly target?: { readonly name: string; readonly met: boolean };
}

/** What one part of the benchmark found. */
export interface PartResult {
  readonly part: string;
  /** How it was measured, and what was checked, a sentence each. */
  readonly notes: readonly string[];
  readonly rows: readonly ResultRow[];
}

/** Summarises the runs of one side. */
export function rowOf(
  workload: Workload,
  side: string,
  runs: readonly Run[],
  ratio?: ResultRow["ratio"],
): ResultRow {
  return {
    workload,
    side,
    perSecond: spreadOf(runs.map(({ perSecond }) => perSecond)),
    p50Ms: spreadOfKnown(runs.map(({ p50Ms }) => p50Ms)),
    p99Ms: spreadOfKnown(runs.map(({ p99Ms }) => p99Ms)),
    maxMs: spreadOfKnown(runs.map(({ maxMs }) => maxMs)),
    ratio,
  };
}

function spreadOfKnown(values: readonly (number | undefined)[]): Spread | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length > 0 ? spreadOf(known) : undefined;
}

/** Divides round by round: drift between the rounds cancels out. */
export function ratioOf(
  runs: readonly Run[],
  others: readonly (readonly Run[])[],
  to: string,
  floor?: number,
): ResultRow["ratio"] {
  const times = runs.map(({ perSecond }, round) => {
    const best = Math.max(...others.map((other) => other[round]?.perSecond ?? 0));
    return perSecond / best;
  });
  return { to, times: spreadOf(times), ...(floor === undefined ? {} : { floor }) };
}

const header = [
  "",
  "",
  "per second",
  "(min..max)",
  "p50 ms",
  "p99 ms",
  "max ms",
  "ratio",
  "(min..max)",
  "",
];
const textColumns: ReadonlySet<number> = new Set([0, 1, header.length - 1]);

/** Writes a result as a table for people. */
export function formatPart({ part, notes, rows }: PartResult): string {
  const table = [header, ...rows.map(cellsOf)];
  const widths = header.map((_, column) =>
    Math.max(...table.map((cells) => cells[column]?.length ?? 0)),
  );
  const lines = table.map((cells) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return textColumns.has(column) ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd(),
  );
  return [`== ${part} ==`, ...lines, ...notes.map((note) => `  ${note}`)].join("\n");
}

function cellsOf({ workload, side, perSecond, ratio, target, ...times }: ResultRow): string[] {
  const remarks = [
    ...(ratio ? [describeRatio(ratio)] : []),
    ...(target ? [`${target.name} ${verdict(target.met)}`] : []),
  ];
  return [
    workload,
    side,
    whole(perSecond.median),
    `(${whole(perSecond.min)}..${whole(perSecond.max)})`,
    times.p50Ms?.median.toFixed(2) ?? "",
    times.p99Ms?.median.toFixed(2) ?? "",
    times.maxMs?.median.toFixed(2) ?? "",
    ratio ? `${ratio.times.median.toFixed(2)}x` : "",
    ratio ? `(${ratio.times.min.toFixed(2)}..${ratio.times.max.toFixed(2)})` : "",
    remarks.join("; "),
  ];
}

function describeRatio({ to, times, floor }: NonNullable<ResultRow["ratio"]>): string {
  if (floor === undefined) return `of ${to}`;
  return `of ${to}; floor ${floor}x ${verdict(times.median >= floor)}`;
}

function verdict(met: boolean): string {
  return met ? "met" : "MISSED";
}

function whole(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
