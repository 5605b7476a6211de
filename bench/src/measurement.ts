import { z } from "zod";

/** Which wallets take part: any two of a thousand, or always the same two. */
export type Workload = "uniform" | "hot";

/** Both workloads, in the order in which they are measured and shown. */
export const workloads: readonly Workload[] = ["uniform", "hot"];

/** How many wallets the uniform workload chooses from. */
export const walletCount = 1_000;

/** What one run of one side came to. */
export const runSchema = z.object({
  /** Finished calls a second. */
  perSecond: z.number(),
  /** How long half of the calls took at most, milliseconds; absent where nobody looked. */
  p50Ms: z.number().optional(),
  /** How long 99 of 100 calls took at most, milliseconds. */
  p99Ms: z.number().optional(),
  /** How long the longest call took. */
  maxMs: z.number().optional(),
  /** How many calls were finished, also those before the time that counts. */
  calls: z.number().optional(),
  /** Calls that were refused, of those that may be. */
  refusedPerSecond: z.number().optional(),
  /** What share of a core the process that made the calls used; more than 1 with several threads. */
  loadCpu: z.number().optional(),
});

/** What one run of one side came to. */
export type Run = z.output<typeof runSchema>;

/** The middle of several rounds, and how far apart they lie. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Summarises the rounds of one figure; there must be one at least. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((left, right) => left - right);
  return { median: quantile(sorted, 0.5), min: quantile(sorted, 0), max: quantile(sorted, 1) };
}

/** Summarises a run by how long each of its calls took, in milliseconds. */
export function runOf(
  latenciesMs: readonly number[],
  elapsedMs: number,
): Run & { readonly calls: number } {
  const sorted = Float64Array.from(latenciesMs).sort();
  return {
    perSecond: (latenciesMs.length / elapsedMs) * 1_000,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    maxMs: quantile(sorted, 1),
    calls: latenciesMs.length,
  };
}

function quantile(sorted: ArrayLike<number>, share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  if (value === undefined) throw new Error("Nothing was measured.");
  return value;
}

/**
 * Keeps a number of callers busy for a while, each with one call at a time.
 *
 * @param call makes one call; what it rejects with ends the run
 */
export async function runCallers(options: {
  readonly callers: number;
  readonly durationMs: number;
  readonly call: (caller: number) => Promise<void>;
}): Promise<Run & { readonly calls: number }> {
  const latenciesMs: number[] = [];
  const startMs = performance.now();
  const endMs = startMs + options.durationMs;
  const work = async (caller: number): Promise<void> => {
    for (let beginMs = performance.now(); beginMs < endMs; ) {
      await options.call(caller);
      const nowMs = performance.now();
      latenciesMs.push(nowMs - beginMs);
      beginMs = nowMs;
    }
  };
  await Promise.all(Array.from({ length: options.callers }, (_, caller) => work(caller)));
  return runOf(latenciesMs, performance.now() - startMs);
}

/** Chooses the paying and the receiving wallet of one transfer, by their numbers from 0. */
export function choosePair(workload: Workload): [from: number, to: number] {
  if (workload === "hot") return Math.random() < 0.5 ? [0, 1] : [1, 0];
  const from = Math.floor(Math.random() * walletCount);
  const distance = 1 + Math.floor(Math.random() * (walletCount - 1));
  return [from, (from + distance) % walletCount];
}
