import { createDatabaseClient } from "@pelikuni/runtime/postgres";
import { v7 } from "uuid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CommandOutcome } from "../src/command-outcome.ts";
import { type Command, fund, transfer } from "../src/decide/command.ts";
import { commitGroup, type GroupToCommit } from "../src/group-store.ts";
import { formatAmount } from "../src/money.ts";
import type { WalletEngine } from "../src/wallet-engine.ts";
import { findWallets, lockWallets } from "../src/wallet-store.ts";
import {
  accepted,
  amountOf,
  createEngineBed,
  type EngineBed,
  listeningLogger,
  quiet,
  requestOf,
  submit,
  untilBlocked,
} from "./test-engine.ts";

// Each test holds one rule of the commit protocol; docs/ARCHITECTURE.md lists the rules.

let bed: EngineBed;
beforeAll(async () => {
  bed = await createEngineBed();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

function creationOf(walletId: string): Command {
  return { kind: "createWallet", walletId, userId: "alice", currency: "USD" };
}

async function walletWith(engine: WalletEngine, funds = "0"): Promise<string> {
  const walletId = v7();
  await accepted(engine, creationOf(walletId));
  if (funds !== "0") await accepted(engine, fund(walletId, amountOf(funds)));
  return walletId;
}

/** Submits commands so that they land in one group. */
async function together(
  engine: WalletEngine,
  commands: readonly (readonly [Command, string?])[],
): Promise<PromiseSettledResult<CommandOutcome>[]> {
  const requests = commands.map(([command, requestId]) => requestOf(command, requestId));
  return await Promise.allSettled(engine.groupCommit.submit(requests, Infinity));
}

function told(results: readonly PromiseSettledResult<CommandOutcome>[]): string[] {
  return results.map((result) => {
    if (result.status === "rejected") return String(result.reason.reason);
    const outcome = result.value;
    if ("refusal" in outcome) return outcome.refusal.reason;
    return formatAmount(outcome.answer.wallets[0]?.balance ?? amountOf("0"));
  });
}

async function balanceOf(walletId: string): Promise<string | undefined> {
  const rows = await bed.owner<{ balance: string }[]>`
    select balance from wallets where id = ${walletId}`;
  return rows[0]?.balance;
}

async function journalRows(): Promise<number> {
  const rows = await bed.owner<{ count: bigint }[]>`select count(*) from journal`;
  return Number(rows[0]?.count);
}

/** A group that commits nothing but its comparison. */
function compareOnly(seen: GroupToCommit["seen"]): GroupToCommit {
  return {
    seen,
    created: [],
    changed: [],
    seenHolds: [],
    holds: [],
    seenReversals: [],
    reversals: [],
    seenMetadata: [],
    metadata: [],
    references: [],
    keys: [],
    refusedKeys: [],
    segmentId: v7(),
    eventCount: 0,
    events: Buffer.alloc(0),
    eventHashes: Buffer.alloc(0),
  };
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
    expect(await balanceOf(bob)).toBe("5.0000");
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

describe("request keys", () => {
  test("a retry whose first try took all the money gets the first answer, from any replica", async () => {
    const engine = bed.replica();
    const alice = await walletWith(engine, "5");
    const bob = await walletWith(engine);
    const all = transfer(alice, bob, amountOf("5"));
    const first = await accepted(engine, all, "all-of-it");
    for (const replica of [engine, bed.replica()]) {
      const repeat = await accepted(replica, all, "all-of-it");
      expect(repeat.transactionId).toBe(first.transactionId);
      expect(repeat.position).toBe(first.position);
      expect(repeat.wallets.map(({ balance }) => formatAmount(balance))).toEqual([
        "0.0000",
        "5.0000",
      ]);
    }
  });

  test("a repeat with other input is refused though its own decision would be a refusal", async () => {
    const engine = bed.replica();
    const alice = await walletWith(engine, "5");
    const bob = await walletWith(engine);
    await accepted(engine, transfer(alice, bob, amountOf("5")), "other-input");
    const outcome = await submit(engine, transfer(alice, bob, amountOf("6")), "other-input");
    expect(outcome).toEqual({ refusal: { reason: "REQUEST_ID_REUSED" } });
  });

  test("within a group the first accepted command owns its key", async () => {
    const engine = bed.replica();
    const alice = await walletWith(engine, "1");
    const bob = await walletWith(engine);
    const results = await together(engine, [
      [transfer(alice, bob, amountOf("9")), "group-key"],
      [fund(alice, amountOf("8"))],
      [transfer(alice, bob, amountOf("9")), "group-key"],
      [transfer(alice, bob, amountOf("9")), "group-key"],
      [transfer(alice, bob, amountOf("1")), "group-key"],
    ]);
    expect(told(results)).toEqual([
      "INSUFFICIENT_BALANCE",
      "9.0000",
      "0.0000",
      "0.0000",
      "REQUEST_ID_REUSED",
    ]);
    expect(await balanceOf(bob)).toBe("9.0000");
    const rows = await bed.owner`
      select key from request_keys where key = ${requestOf(fund(bob, amountOf("1")), "group-key").requestKey?.key ?? ""}`;
    expect(rows).toHaveLength(1);
  });

  test("a taken key answers its own command and lets the rest of the group through", async () => {
    const engine = bed.replica();
    const alice = await walletWith(engine, "10");
    const bob = await walletWith(engine);
    await accepted(engine, transfer(alice, bob, amountOf("1")), "taken-before");
    const results = await together(engine, [
      [transfer(alice, bob, amountOf("2")), "new-one"],
      [transfer(alice, bob, amountOf("1")), "taken-before"],
      [transfer(alice, bob, amountOf("3"))],
    ]);
    expect(told(results)).toEqual(["7.0000", "9.0000", "4.0000"]);
    expect(await balanceOf(bob)).toBe("6.0000");
  });

  test("one request_id sent to three replicas at once acts once", async () => {
    const replicas = [bed.replica(), bed.replica(), bed.replica()];
    for (let round = 0; round < 20; round += 1) {
      const [first] = replicas;
      if (!first) throw new Error("There is no replica.");
      const alice = await walletWith(first, "5");
      const bob = await walletWith(first);
      const answers = await Promise.all(
        replicas.map((replica) =>
          accepted(replica, transfer(alice, bob, amountOf("2")), `everywhere-${round}`),
        ),
      );
      expect(new Set(answers.map(({ transactionId }) => transactionId)).size).toBe(1);
      expect(await balanceOf(alice)).toBe("3.0000");
    }
  });

  test("keys are taken in their order, so that groups that share some cannot deadlock", async () => {
    const engine = bed.replica();
    const [low, high] = [
      "00000000-0000-4000-8000-000000000000",
      "ffffffff-ffff-4fff-bfff-ffffffffffff",
    ];
    const fingerprint = Buffer.alloc(32);
    const keys = [high, low].map((key) => ({ key, fingerprint, transactionId: v7() }));
    const undo = new Error("undone on purpose");
    let waiting: Promise<unknown> | undefined;
    const locking = bed.owner.begin(async (sql) => {
      const insert = (key: string) => sql`
        insert into request_keys (key, fingerprint, transaction_id)
        values (${key}, ${fingerprint}, ${v7()})`;
      await insert(low);
      waiting = engine.pool.call((other) => commitGroup(other, { ...compareOnly([]), keys }));
      await untilBlocked(bed, 1);
      // Had the group taken the greater key first, this would wait for it.
      await sql`set local lock_timeout = '300ms'`;
      await insert(high);
      throw undo;
    });
    await expect(locking).rejects.toBe(undo);
    expect(await waiting).toMatchObject({ outcome: "committed" });
    await bed.owner`delete from request_keys where key in (${low}, ${high})`;
  });

  test("groups that share keys in opposite orders do not deadlock, and each key acts once", async () => {
    const { logger, messages } = listeningLogger();
    const replicas = [bed.replica({ logger }), bed.replica({ logger })];
    // Each replica has wallets of its own: the groups meet at the keys alone.
    const wallets = await Promise.all(
      replicas.map((replica) => Promise.all(Array.from({ length: 40 }, () => walletWith(replica)))),
    );
    const roundsMax = 15;
    for (let round = 0; round < roundsMax; round += 1) {
      const groups = wallets.map((own) =>
        own.map((id, index) => [fund(id, amountOf("1")), `shared-${round}-${index}`] as const),
      );
      await Promise.all([
        together(replicas[0] ?? bed.replica(), groups[0] ?? []),
        together(replicas[1] ?? bed.replica(), groups[1]?.toReversed() ?? []),
      ]);
    }
    const balances = await bed.owner<{ sum: string }[]>`
      select sum(balance) from wallets where id in ${bed.owner(wallets.flat())}`;
    expect(balances[0]?.sum).toBe(`${40 * roundsMax}.0000`);
    // A deadlock would be survived by deciding again; it shows in the log.
    expect(messages).not.toContain("A group failed.");
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

describe("a group", () => {
  test("does not fail for one command that Postgres rejects", async () => {
    const engine = bed.replica();
    const alice = await walletWith(engine, "10");
    // The contract's rules would stop this name; the table's check does it here.
    const odd: Command = {
      kind: "createWallet",
      walletId: v7(),
      userId: "x".repeat(101),
      currency: "USD",
    };
    const results = await together(engine, [
      [fund(alice, amountOf("1"))],
      [odd],
      [fund(alice, amountOf("2"))],
      [fund(alice, amountOf("3"))],
    ]);
    expect(told(results)).toEqual(["11.0000", "INTERNAL", "13.0000", "16.0000"]);
    expect(await balanceOf(alice)).toBe("16.0000");
  });

  test("sees a wallet that another replica created after it was found missing", async () => {
    const [here, there] = [bed.replica(), bed.replica()];
    const walletId = v7();
    const funding = fund(walletId, amountOf("1"));
    expect(await submit(here, funding)).toHaveProperty("refusal.reason", "WALLET_NOT_FOUND");
    await accepted(there, { kind: "createWallet", walletId, userId: "bob", currency: "USD" });
    expect(await submit(here, funding)).toHaveProperty("answer");
  });

  test("commits though its wallets do not fit into the cache", async () => {
    const { logger, messages } = listeningLogger();
    const engine = bed.replica({ cachedWalletsMax: 1, logger });
    const wallets = await Promise.all(Array.from({ length: 10 }, () => walletWith(engine, "10")));
    const results = await together(
      engine,
      wallets.map((id, index) => {
        return [transfer(id, wallets[(index + 1) % 10] ?? "", amountOf("10"))] as const;
      }),
    );
    for (const result of results) expect(result).toHaveProperty("value.answer");
    // Decided at once on the states that each command was queued with, not by losing a race first.
    expect(messages).not.toContain("A group lost a race.");
  });

  test("past its deadline a command never runs", async () => {
    const engine = bed.replica();
    const alice = await walletWith(engine);
    const late = engine.groupCommit.submit(
      [requestOf(fund(alice, amountOf("1")))],
      performance.now() - 1,
    );
    await expect(late[0]).rejects.toMatchObject({ reason: "DEADLINE_EXCEEDED" });
    await accepted(engine, fund(alice, amountOf("2")));
    expect(await balanceOf(alice)).toBe("2.0000");
  });

  test("is decided on the time of the latest change, whatever the replica's clock says", async () => {
    const hourMs = 3_600_000;
    const [ahead, behind] = [
      bed.replica({ now: () => Date.now() + hourMs }),
      bed.replica({ now: () => Date.now() - hourMs }),
    ];
    const alice = await walletWith(ahead);
    const first = await accepted(ahead, fund(alice, amountOf("1")));
    const second = await accepted(behind, fund(alice, amountOf("1")));
    expect(second.occurredAtMs).toBeGreaterThanOrEqual(first.occurredAtMs);
    const [stored] = (await findWallets(bed.owner, [alice])).values();
    expect(stored?.updateTimeMs).toBe(second.occurredAtMs);
  });
});

test("the service's role can neither change nor remove what is recorded", async () => {
  const engine = bed.replica();
  await walletWith(engine, "1");
  const forbidden = [
    "update journal set event_count = 1",
    "delete from journal",
    "truncate journal",
    "delete from wallets",
    "update wallets set user_id = 'mallory'",
    "update request_keys set transaction_id = gen_random_uuid()",
    "drop table journal",
  ];
  for (const statement of forbidden) {
    await expect(engine.pool.call((sql) => sql.unsafe(statement))).rejects.toThrow(
      /permission denied|must be owner/,
    );
  }
});
