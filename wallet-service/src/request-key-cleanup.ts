import { DatabaseUnavailable } from "@pelikuni/runtime/database-fault";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { repeatEvery } from "@pelikuni/runtime/repeat-every";
import type { Logger } from "pino";
import { forgetKeys } from "./request-key-store.ts";

const keysPerDeleteMax = 5_000;
const deletesPerRoundMax = 200;

/**
 * Forgets request keys past their age, in small batches, once in every interval. Every replica does
 * so; two at once delete nothing twice.
 *
 * @returns stops it and waits for a batch under way
 */
export function startRequestKeyCleanup(options: {
  readonly pool: DatabaseClient;
  readonly keptMs: number;
  readonly intervalMs: number;
  readonly now: () => number;
  readonly logger: Logger;
}): AsyncDisposable {
  const { pool, keptMs, now, logger } = options;
  return repeatEvery(options.intervalMs, async (stop) => {
    try {
      for (let count = 0; count < deletesPerRoundMax && !stop.aborted; count += 1) {
        const forgotten = await pool.call((sql) =>
          forgetKeys(sql, now() - keptMs, keysPerDeleteMax),
        );
        if (forgotten < keysPerDeleteMax) return;
      }
    } catch (error) {
      if (error instanceof DatabaseUnavailable) return;
      logger.error({ error }, "Old request keys could not be forgotten.");
    }
  });
}
