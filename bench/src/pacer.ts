import { setTimeout as delay } from "node:timers/promises";

// Each tick starts the calls that are due by then, usually one or two.
const tickMs = 1;

/**
 * Starts calls at a steady rate, whether or not earlier ones were answered: a server that falls
 * behind is not given time to recover. Returns when all are answered.
 *
 * @returns how many calls a second were answered, from the first start to the last answer
 * @throws Error when more calls than allowed wait for their answer; or what a call rejects with
 */
export async function runPaced(options: {
  readonly perSecond: number;
  readonly durationMs: number;
  readonly inFlightMax: number;
  readonly call: () => Promise<void>;
}): Promise<number> {
  const { perSecond, inFlightMax, call } = options;
  const total = Math.round((perSecond * options.durationMs) / 1_000);
  const startMs = performance.now();
  const failures: unknown[] = [];
  let answered = 0;
  let started = 0;
  const startOne = async (): Promise<void> => {
    started += 1;
    try {
      await call();
      answered += 1;
    } catch (error) {
      failures.push(error);
    }
  };
  while (answered < total) {
    if (failures.length > 0) throw failures[0];
    if (started - answered > inFlightMax) {
      throw new Error(`${inFlightMax} calls wait: ${perSecond}/s is more than can be carried.`);
    }
    const due = Math.floor(((performance.now() - startMs) * perSecond) / 1_000) + 1;
    while (started < Math.min(due, total)) void startOne();
    await delay(tickMs);
  }
  return (total / (performance.now() - startMs)) * 1_000;
}
