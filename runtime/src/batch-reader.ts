import { ConnectError } from "@connectrpc/connect";
import { DatabaseUnavailable } from "./database-fault.ts";

/**
 * Reads single rows by their ids, from a database or from a service in front of one; concurrent
 * reads share a SELECT, or a call.
 */
export interface BatchReader<Row> {
  /**
   * The row as it is now, `undefined` if there is none. Sees every change that was committed
   * before the call: it never joins a SELECT that was sent already.
   */
  read(id: string): Promise<Row | undefined>;
}

interface Reading<Row> {
  readonly resolve: (row: Row | undefined) => void;
  readonly reject: (error: unknown) => void;
}

const selectsInFlightMax = 4;
const rowsPerSelectMax = 1_000;

/**
 * Creates a reader.
 *
 * @param find reads rows by their ids in one SELECT; absent ones are missing from the answer
 */
export function createBatchReader<Row>(
  find: (ids: string[]) => Promise<ReadonlyMap<string, Row>>,
): BatchReader<Row> {
  const waiting = new Map<string, Reading<Row>[]>();
  let selectsInFlight = 0;
  let scheduled = false;

  function schedule(): void {
    if (scheduled || selectsInFlight >= selectsInFlightMax) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      void send();
    });
  }

  async function send(): Promise<void> {
    const taken = [...waiting].slice(0, rowsPerSelectMax);
    if (taken.length === 0) return;
    for (const [id] of taken) waiting.delete(id);
    selectsInFlight += 1;
    if (waiting.size > 0) schedule();
    try {
      const found = await find(taken.map(([id]) => id));
      for (const [id, readings] of taken) {
        for (const { resolve } of readings) resolve(found.get(id));
      }
    } catch (error) {
      rejectAll(taken, error);
      // Who waits behind a database that does not answer would only learn the same, later.
      if (error instanceof DatabaseUnavailable || error instanceof ConnectError) {
        const waitedInVain = [...waiting];
        waiting.clear();
        rejectAll(waitedInVain, error);
      }
    } finally {
      selectsInFlight -= 1;
      if (waiting.size > 0) schedule();
    }
  }

  return {
    read(id) {
      return new Promise((resolve, reject) => {
        const readings = waiting.get(id);
        if (readings) readings.push({ resolve, reject });
        else waiting.set(id, [{ resolve, reject }]);
        schedule();
      });
    },
  };
}

function rejectAll<Row>(
  waiting: readonly [string, readonly Reading<Row>[]][],
  error: unknown,
): void {
  for (const { reject } of waiting.flatMap(([, readings]) => readings)) reject(error);
}
