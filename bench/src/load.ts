import { z } from "zod";
import { choosePair, type Run, runCallers } from "./measurement.ts";

/** What a process that makes load is told. */
export const loadTaskSchema = z.object({
  /** Of the server, on the loopback interface. */
  port: z.number(),
  walletIds: z.array(z.string()),
  callers: z.number(),
  durationMs: z.number(),
  workload: z.enum(["uniform", "hot"]),
  /** What says who calls, where the server wants to know. */
  token: z.string().optional(),
});

/** What a process that makes load is told. */
export type LoadTask = z.output<typeof loadTaskSchema>;

/** One transfer that a caller is to make. */
export interface Transfer {
  readonly from: string;
  readonly to: string;
}

/** How much every transfer moves. */
export const transferredAmount = "0.01";

const warmUpMs = 500;

/**
 * Keeps callers busy with transfers. They begin before the time that counts, so that connections
 * and compiled code are there.
 *
 * @param make makes one transfer; what it rejects with ends the run
 */
export async function runLoad(
  { walletIds, callers, durationMs, workload }: LoadTask,
  make: (caller: number, transfer: Transfer) => Promise<void>,
): Promise<Run> {
  const call = (caller: number): Promise<void> => {
    const [from, to] = choosePair(workload);
    return make(caller, { from: walletIds[from] ?? "", to: walletIds[to] ?? "" });
  };
  const warmUp = await runCallers({ callers, durationMs: warmUpMs, call });
  const startMs = performance.now();
  const cpuAtStart = process.cpuUsage();
  const run = await runCallers({ callers, durationMs, call });
  const { user, system } = process.cpuUsage(cpuAtStart);
  const loadCpu = (user + system) / 1_000 / (performance.now() - startMs);
  return { ...run, calls: warmUp.calls + run.calls, loadCpu };
}
