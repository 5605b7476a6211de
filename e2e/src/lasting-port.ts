import { randomInt } from "node:crypto";
import { isPortFree } from "@pelikuni/local/free-port";

const lowest = 20_000;
const highest = 30_000;
const attemptsMax = 20;

/**
 * Finds a free port for a server that is stopped and started again: below those that systems give
 * to outgoing connections, so that it stays free.
 */
export async function chooseLastingPort(): Promise<number> {
  for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
    const candidate = randomInt(lowest, highest);
    if (await isPortFree(candidate)) return candidate;
  }
  throw new Error("No free port was found.");
}
