import { v7 } from "uuid";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fund } from "../src/decide/command.ts";
import { startHoldExpiry } from "../src/hold-expiry.ts";
import { formatAmount } from "../src/money.ts";
import type { WalletEngine } from "../src/wallet-engine.ts";
import {
  accepted,
  amountOf,
  createEngineBed,
  type EngineBed,
  quiet,
  submit,
  walletWith,
} from "./test-engine.ts";

const holdCount = 600;

let bed: EngineBed;
beforeAll(async () => {
  bed = await createEngineBed();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

async function place(engine: WalletEngine, walletId: string, lengthMs: number): Promise<string> {
  const holdId = v7();
  const expireTimeMs = Date.now() + lengthMs;
  const amount = amountOf("0.5");
  await accepted(engine, { kind: "placeHold", holdId, walletId, amount, expireTimeMs });
  return holdId;
}

test("holds whose time is over are expired once each by two replicas; others stay", async () => {
  const replicas = [bed.replica(), bed.replica()];
  const [engine] = replicas;
  if (engine === undefined) throw new Error("There is no replica.");
  const walletId = await walletWith(engine, "1000");
  const due = Array.from({ length: holdCount }, () => place(engine, walletId, 2_000));
  await Promise.all(due);
  const later = await place(engine, walletId, 3_600_000);
  const held = async (): Promise<string> => {
    const wallet = await engine.readers.wallets.read(walletId);
    return wallet === undefined ? "" : formatAmount(wallet.held);
  };
  expect(await held()).toBe("300.5000");
  const options = { intervalMs: 20, now: Date.now, logger: quiet };
  const expiries = replicas.map((replica) => startHoldExpiry({ ...replica, ...options }));
  await expect.poll(held, { timeout: 20_000 }).toBe("0.5000");
  for (const expiry of expiries) await expiry[Symbol.asyncDispose]();
  const rows = await bed.owner<{ status: string; count: bigint }[]>`
    select status, count(*) from holds where wallet_id = ${walletId} group by status`;
  expect(new Map(rows.map(({ status, count }) => [status, Number(count)]))).toEqual(
    new Map([
      ["EXPIRED", holdCount],
      ["OPEN", 1],
    ]),
  );
  const wallet = await engine.readers.wallets.read(walletId);
  expect(wallet?.version).toBe(BigInt(1 + holdCount + 1 + holdCount));
  expect((await engine.readers.holds.read(later))?.status).toBe("OPEN");
});

test("a replica whose clock is ahead expires a hold no earlier than its time in the events", async () => {
  const here = bed.replica();
  const ahead = bed.replica({ now: () => Date.now() + 5_000 });
  const walletId = await walletWith(here, "10");
  const holdId = await place(here, walletId, 60_000);
  const command = { kind: "releaseHold", holdId, expired: true } as const;
  expect(await submit(ahead, command)).toEqual({ refusal: { reason: "HOLD_NOT_DUE", holdId } });
});

test("holds expire while the queue has room for a few commands only", async () => {
  const engine = bed.replica();
  const walletId = await walletWith(engine, "1000");
  const placed = Array.from({ length: 200 }, () =>
    accepted(engine, {
      kind: "placeHold",
      holdId: v7(),
      walletId,
      amount: amountOf("1"),
      expireTimeMs: Date.now() + 1_500,
    }),
  );
  await Promise.all(placed);
  const { groupCommit } = engine;
  const fewAtOnce = 20;
  const busy = {
    ...groupCommit,
    submit: (...[requests, expiresAtMs]: Parameters<typeof groupCommit.submit>) => {
      // As many as the queue would have to be full.
      const room = requests.length > fewAtOnce ? 20_000 : 0;
      const filler = Array.from(
        { length: room },
        () => requests[0] ?? { command: fund(walletId, amountOf("1")), requestId: "" },
      );
      return groupCommit.submit([...requests, ...filler], expiresAtMs).slice(0, requests.length);
    },
  };
  const options = { pool: engine.pool, groupCommit: busy, intervalMs: 50, now: Date.now };
  await using _expiry = startHoldExpiry({ ...options, logger: quiet });
  const open = async (): Promise<number> => {
    const rows = await bed.owner<{ count: bigint }[]>`
      select count(*) from holds where status = 'OPEN' and wallet_id = ${walletId}`;
    return Number(rows[0]?.count);
  };
  await expect.poll(open, { timeout: 20_000 }).toBe(0);
});
