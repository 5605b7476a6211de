import { createDatabaseClient } from "@pelikuni/runtime/postgres";
import { v7 } from "uuid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fund, transfer } from "../src/decide/command.ts";
import { commitGroup, type GroupToCommit } from "../src/group-store.ts";
import type { WalletEngine } from "../src/wallet-engine.ts";
import { lockWallets } from "../src/wallet-store.ts";
import { compareOnly, together, told } from "./group-steps.ts";
import {
  accepted,
  amountOf,
  balanceOf,
  createEngineBed,
  creationOf,
  type EngineBed,
  quiet,
  submit,
  untilBlocked,
  walletWith,
} from "./test-engine.ts";

// Each test holds one rule of the commit protocol; docs/ARCHITECTURE.md lists the rules.

let bed: EngineBed;
beforeAll(async () => {
  bed = await createEngineBed();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

async function journalRows(): Promise<number> {
  const rows = await bed.owner<{ count: bigint }[]>`select count(*) from journal`;
  return Number(rows[0]?.count);
}

async function stateOf(engine: WalletEngine, id: string): Promise<GroupToCommit["seen"][number]> {
  return { id, state: await engine.readers.wallets.read(id) };
}

describe("what a command looked at is compared", () => {
  test("money that arrived through another replica is not denied from a stale cache", async () => {
    const [here, there] = [bed.replica(), bed.replica()];
    const alice = await walletWith(here);
    const bob = await walletWith(here);
    await accepted(there, fund(alice, amountOf("5")));
    const outcome = await submit(here, transfer(alice, bob, amountOf("5")));
    expect(outcome).toHaveProperty("answer");
  });

  test("money that left through another replica is not spent again", async () => {
    const [here, there] = [bed.replica(), bed.replica()];
    const alice = await walletWith(here, "5");
    const bob = await walletWith(here);
    await accepted(there, transfer(alice, bob, amountOf("5")));
    const outcome = await submit(here, transfer(alice, bob, amountOf("5")));
    expect(outcome).toEqual({ refusal: { reason: "INSUFFICIENT_BALANCE", walletId: alice } });
    expect(await balanceOf(bed, bob)).toBe("5.0000");
  });

  test("a wallet seen as absent that exists by now is a mismatch", async () => {
    const engine = bed.replica();
    const id = await walletWith(engine);
    const result = await engine.pool.call((sql) =>
      commitGroup(sql, compareOnly([{ id, state: undefined }])),
    );
    expect(result.outcome).toBe("stale");
  });

  test("a wallet seen that is missing from the table is a mismatch", async () => {
    const engine = bed.replica();
    const { state } = await stateOf(engine, await walletWith(engine));
    const result = await engine.pool.call((sql) =>
      commitGroup(sql, compareOnly([{ id: v7(), state }])),
    );
    expect(result.outcome).toBe("stale");
  });

  test("an absent wallet that is absent is no mismatch", async () => {
    const engine = bed.replica();
    const result = await engine.pool.call((sql) =>
      commitGroup(sql, compareOnly([{ id: v7(), state: undefined }])),
    );
    expect(result.outcome).toBe("committed");
  });

  test("the same version with another head is a mismatch: another history made it", async () => {
    const engine = bed.replica();
    const id = await walletWith(engine);
    const { state } = await stateOf(engine, id);
    if (!state) throw new Error("The wallet is missing.");
    const head = Buffer.alloc(32, 7);
    const result = await engine.pool.call((sql) =>
      commitGroup(sql, compareOnly([{ id, state: { ...state, head } }])),
    );
    expect(result.outcome).toBe("stale");
  });

  test("a group of refusals writes nothing", async () => {
    const engine = bed.replica();
    const alice = await walletWith(engine, "1");
    const bob = await walletWith(engine);
    const before = await journalRows();
    const results = await together(engine, [
      [transfer(alice, bob, amountOf("2")), "refused-once"],
      [transfer(alice, v7(), amountOf("1"))],
    ]);
    expect(told(results)).toEqual(["INSUFFICIENT_BALANCE", "WALLET_NOT_FOUND"]);
    expect(await journalRows()).toBe(before);
  });

  test("the comparison comes after the lock: a change committed while it waited is seen", async () => {
    const engine = bed.replica();
    const seen = await stateOf(engine, await walletWith(engine));
    let result: Promise<{ outcome: string }> | undefined;
    await bed.owner.begin(async (sql) => {
      await sql`update wallets set version = version + 1 where id = ${seen.id}`;
      result = engine.pool.call((other) => commitGroup(other, compareOnly([seen])));
      await untilBlocked(bed, 1);
    });
    expect(await result).toEqual({ outcome: "stale" });
  });
});

test.each(["commit", "lock"] as const)(
  "rows are locked in the order of their ids, whatever the plan reads first: %s",
  async (way) => {
    // The driver hands parameters it does not know to the session. Without indexes it reads the
    // table from its beginning, where the greatest id is put.
    const scanning = `${bed.serviceUrl}?enable_indexscan=off&enable_bitmapscan=off`;
    const engine = bed.replica({ databaseUrl: scanning });
    const client = createDatabaseClient({
      url: scanning,
      applicationName: "test",
      connectionsMax: 1,
      callTimeoutMs: 2_000,
      logger: quiet,
    });
    const ids = Array.from({ length: 3 }, () => v7()).toReversed();
    for (const walletId of ids) await accepted(engine, creationOf(walletId));
    const lowest = ids.at(-1) ?? "";
    const seen = await Promise.all(ids.map((id) => stateOf(engine, id)));
    let waiting: Promise<unknown> | undefined;
    await bed.owner.begin(async (sql) => {
      await sql`select id from wallets where id = ${lowest} for update`;
      waiting =
        way === "commit"
          ? client.call((other) => commitGroup(other, compareOnly(seen)))
          : client.call((other) => lockWallets(other, ids));
      await untilBlocked(bed, 1);
      const free = await sql`
        select id from wallets where id in ${sql(ids)} for update skip locked`;
      expect(free).toHaveLength(ids.length);
    });
    await waiting;
    await client[Symbol.asyncDispose]();
  },
);
