import { type Run, type Spread, spreadOf, type Workload } from "./measurement.ts";

/** The figures of one side under one workload. */
export interface ResultRow {
  readonly workload: Workload;
  readonly side: string;
  readonly perSecond: Spread;
  readonly p50Ms: Spread | undefined;
  readonly p99Ms: Spread | undefined;
  /** How many times the other side's figure, round by round. */
  readonly ratio:
    | { readonly to: string; readonly times: Spread; readonly floor?: number }
    | undefined;
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

/** Writes a result as a table for people. */
export function formatPart({ part, notes, rows }: PartResult): string {
  const header = [
    "",
    "",
    "transfers/s",
    "(min..max)",
    "p50 ms",
    "p99 ms",
    "ratio",
    "(min..max)",
    "",
  ];
  const table = [header, ...rows.map(cellsOf)];
  const widths = header.map((_, column) =>
    Math.max(...table.map((cells) => cells[column]?.length ?? 0)),
  );
  const lines = table.map((cells) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return column < 2 || column === 8 ? cell.padEnd(width) : cell.padStart(width);
      })
      .join("  ")
      .trimEnd(),
  );
  return [`== ${part} ==`, ...lines, ...notes.map((note) => `  ${note}`)].join("\n");
}

function cellsOf({ workload, side, perSecond, p50Ms, p99Ms, ratio }: ResultRow): string[] {
  return [
    workload,
    side,
    whole(perSecond.median),
    `(${whole(perSecond.min)}..${whole(perSecond.max)})`,
    p50Ms?.median.toFixed(2) ?? "",
    p99Ms?.median.toFixed(2) ?? "",
    ratio ? `${ratio.times.median.toFixed(2)}x` : "",
    ratio ? `(${ratio.times.min.toFixed(2)}..${ratio.times.max.toFixed(2)})` : "",
    ratio ? describeRatio(ratio) : "",
  ];
}

function describeRatio({ to, times, floor }: NonNullable<ResultRow["ratio"]>): string {
  if (floor === undefined) return `of ${to}`;
  return `of ${to}; floor ${floor}x ${times.median >= floor ? "met" : "MISSED"}`;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
