import { DatabaseUnavailable } from "@pelikuni/runtime/database-fault";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { repeatEvery } from "@pelikuni/runtime/repeat-every";
import type { Logger } from "pino";
import { CommandFault } from "./command-outcome.ts";
import type { GroupCommit } from "./group-commit.ts";
import { findDueHoldIds } from "./hold-store.ts";

const holdsPerBatchMax = 500;
const batchesPerRoundMax = 20;
const batchTimeoutMs = 5_000;

/**
 * Frees what holds have set aside whose time is over, once in every interval, through the ordinary
 * queue. Every replica does so: of two that try to expire one hold, one finds it expired. Nobody has
 * to be in time, as a capture is refused from the hold's expire_time on, expired or not.
 *
 * @returns stops it and waits for a batch under way
 */
export function startHoldExpiry(options: {
  readonly pool: DatabaseClient;
  readonly groupCommit: GroupCommit;
  readonly intervalMs: number;
  readonly now: () => number;
  readonly logger: Logger;
}): AsyncDisposable {
  const { pool, groupCommit, now, logger } = options;

  /** Expires the holds that are due first; false: no more are. */
  async function expireBatch(holdsMax: number): Promise<boolean> {
    const holdIds = await pool.read((sql) => findDueHoldIds(sql, now(), holdsMax));
    const requests = holdIds.map((holdId) => {
      return { command: { kind: "releaseHold", holdId, expired: true }, requestId: "" } as const;
    });
    const expiresAtMs = performance.now() + batchTimeoutMs;
    // A refusal says that somebody else has ended the hold, or that his clock is ahead of ours.
    await Promise.all(groupCommit.submit(requests, expiresAtMs));
    return holdIds.length === holdsMax;
  }

  return repeatEvery(options.intervalMs, async (stop) => {
    let holdsMax = holdsPerBatchMax;
    for (let batch = 0; batch < batchesPerRoundMax && !stop.aborted; batch += 1) {
      try {
        if (!(await expireBatch(holdsMax))) return;
      } catch (error) {
        const isBusy = error instanceof CommandFault && error.reason === "OVERLOADED";
        // The queue takes all or none of a batch: a small one finds room where a large one does not.
        if (isBusy && holdsMax > 1) holdsMax >>= 2;
        else {
          const isFault = error instanceof DatabaseUnavailable || error instanceof CommandFault;
          logger[isFault ? "warn" : "error"]({ error }, "Due holds are not expired yet.");
          return;
        }
      }
    }
  });
}
