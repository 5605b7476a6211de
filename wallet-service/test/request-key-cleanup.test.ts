import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startRequestKeyCleanup } from "../src/request-key-cleanup.ts";
import { createEngineBed, type EngineBed, quiet } from "./test-engine.ts";

const dayMs = 86_400_000;

let bed: EngineBed;
beforeAll(async () => {
  bed = await createEngineBed();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

async function insertKeys(count: number, ageDays: number): Promise<void> {
  await bed.owner`
    insert into request_keys (key, fingerprint, transaction_id, create_time)
    select gen_random_uuid(), sha256(${randomUUID()}::bytea), gen_random_uuid(),
      now() - ${ageDays} * interval '1 day'
    from generate_series(1, ${count})`;
}

async function countKeys(): Promise<number> {
  const [row] = await bed.owner<{ count: bigint }[]>`select count(*) from request_keys`;
  return Number(row?.count);
}

test("keys past their age are forgotten, batch after batch, by two replicas at once; others stay", async () => {
  await insertKeys(12_000, 8);
  await insertKeys(30, 6);
  const cleanups = [bed.replica(), bed.replica()].map(({ pool }) =>
    startRequestKeyCleanup({
      pool,
      keptMs: 7 * dayMs,
      intervalMs: 20,
      now: Date.now,
      logger: quiet,
    }),
  );
  await expect.poll(countKeys, { timeout: 20_000 }).toBe(30);
  for (const cleanup of cleanups) await cleanup[Symbol.asyncDispose]();
  await insertKeys(10, 8);
  // Nothing forgets them once it is stopped: they are there in every look.
  for (let look = 0; look < 5; look += 1) expect(await countKeys()).toBe(40);
});
