import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { createBatchReader } from "./batch-reader.ts";
import { DatabaseUnavailable } from "./database-fault.ts";

const readsMax = 20;

test("a read that waits behind a database that does not answer hears so with those before it", async () => {
  const selects: { ids: string[]; fail: (error: unknown) => void }[] = [];
  const reader = createBatchReader<string>(
    (ids) => new Promise((_, fail) => void selects.push({ ids, fail })),
  );
  // More reads than SELECTs may be under way at once: the others wait.
  const outcomes: Promise<unknown>[] = [];
  for (let read = 0; read < readsMax; read += 1) {
    outcomes.push(reader.read(`wallet ${read}`).catch((error: unknown) => error));
    await nextTurn();
  }
  const sent = selects.flatMap(({ ids }) => ids).length;
  expect(sent).toBeLessThan(readsMax);

  const fault = new DatabaseUnavailable("silence", { maybeExecuted: true, away: false });
  selects[0]?.fail(fault);
  const waited = await Promise.all(outcomes.slice(sent));
  expect(waited).toEqual(Array.from({ length: readsMax - sent }, () => fault));
});
