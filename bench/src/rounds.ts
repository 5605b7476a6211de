import type { Run } from "./measurement.ts";

/** One of the things that are compared. */
export interface Side {
  readonly name: string;
  run(): Promise<Run>;
}

/**
 * Measures sides in turn, every round beginning with another one, so that a machine that becomes
 * slower or faster meanwhile does so for all of them.
 *
 * @param options.signal ends it after the run that is under way
 * @returns the runs of each side by its name, one a round
 */
export async function runInTurn(options: {
  readonly sides: readonly Side[];
  readonly rounds: number;
  readonly progress: (line: string) => void;
  readonly signal: AbortSignal;
}): Promise<ReadonlyMap<string, readonly Run[]>> {
  const { sides, rounds, progress, signal } = options;
  const runs = new Map<string, Run[]>(sides.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    const first = round % sides.length;
    for (const side of [...sides.slice(first), ...sides.slice(0, first)]) {
      const run = await side.run();
      signal.throwIfAborted();
      runs.get(side.name)?.push(run);
      progress(`round ${round + 1}/${rounds}, ${side.name}: ${Math.round(run.perSecond)}/s`);
    }
  }
  return runs;
}
