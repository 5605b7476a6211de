import type { Logger } from "@pelikuni/runtime/logger";
import type { BenchBed } from "./bench-bed.ts";

/** What every part of the benchmark is given. */
export interface PartOptions {
  readonly bed: BenchBed;
  /** How often each side is measured. */
  readonly rounds: number;
  /** How long each run of a side takes; whole seconds, as pgbench counts. */
  readonly durationMs: number;
  /** Tells who watches how far it is. */
  readonly progress: (line: string) => void;
  readonly logger: Logger;
  /** Aborted when the benchmark is to end early: after the run that is under way. */
  readonly signal: AbortSignal;
}
