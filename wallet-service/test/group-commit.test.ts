import { v7 } from "uuid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Command, fund, transfer } from "../src/decide/command.ts";
import { findWallets } from "../src/wallet-store.ts";
import { together, told } from "./group-steps.ts";
import {
  accepted,
  amountOf,
  balanceOf,
  createEngineBed,
  creationOf,
  type EngineBed,
  listeningLogger,
  requestOf,
  submit,
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
    expect(await balanceOf(bed, alice)).toBe("16.0000");
  });

  test("sees a wallet that another replica created after it was found missing", async () => {
    const [here, there] = [bed.replica(), bed.replica()];
    const walletId = v7();
    const funding = fund(walletId, amountOf("1"));
    expect(await submit(here, funding)).toHaveProperty("refusal.reason", "WALLET_NOT_FOUND");
    await accepted(there, creationOf(walletId));
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
    expect(await balanceOf(bed, alice)).toBe("2.0000");
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
