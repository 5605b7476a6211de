import { v7 } from "uuid";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fund, transfer } from "../src/decide/command.ts";
import { commitGroup } from "../src/group-store.ts";
import { formatAmount } from "../src/money.ts";
import { compareOnly, together, told } from "./group-steps.ts";
import {
  accepted,
  amountOf,
  balanceOf,
  createEngineBed,
  type EngineBed,
  listeningLogger,
  requestOf,
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
  expect(await balanceOf(bed, bob)).toBe("9.0000");
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
  expect(await balanceOf(bed, bob)).toBe("6.0000");
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
    expect(await balanceOf(bed, alice)).toBe("3.0000");
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
