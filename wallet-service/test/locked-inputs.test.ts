import { createDatabaseClient } from "@pelikuni/runtime/postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lockInputs } from "../src/group-store.ts";
import { createEngineBed, type EngineBed, quiet } from "./test-engine.ts";

let bed: EngineBed;
beforeAll(async () => {
  bed = await createEngineBed();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

test("what is locked stays locked until the transaction ends, from the first time on", async () => {
  const id = "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1";
  await bed.owner`
    insert into wallets (id, user_id, currency, balance, held, status, version, head, create_time,
      update_time)
    values (${id}, 'alice', 'USD', 0, 0, 'ACTIVE', 0, sha256(''), now(), now())`;
  await using committer = createDatabaseClient({
    url: bed.serviceUrl,
    applicationName: "test",
    connectionsMax: 1,
    callTimeoutMs: 10_000,
    logger: quiet,
  });
  const items = {
    holds: new Map(),
    transactions: new Map(),
    reversals: new Map(),
    metadata: new Map(),
  };
  const lock = () => bed.owner`select id from wallets where id = ${id} for update nowait`;
  for (let round = 0; round < 3; round += 1) {
    await committer.call((sql) => lockInputs(sql, [id], items));
    await expect(lock()).rejects.toThrow("could not obtain lock");
    await committer.call((sql) => sql`rollback`);
    expect(await lock()).toHaveLength(1);
  }
});
