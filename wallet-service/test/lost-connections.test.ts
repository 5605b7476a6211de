import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { startTcpProxy, type TcpProxy } from "../../e2e/src/tcp-proxy.ts";
import { CommandFault, type CommandOutcome } from "../src/command-outcome.ts";
import { fund } from "../src/decide/command.ts";
import type { WalletEngine } from "../src/wallet-engine.ts";
import { unitsOf } from "./model-units.ts";
import {
  accepted,
  amountOf,
  createEngineBed,
  type EngineBed,
  listeningLogger,
  submit,
  untilBlocked,
  walletWith,
} from "./test-engine.ts";

// What callers are told within, and what recovery may take: the contract promises three seconds.
const promisedMs = 3_000;
const one = unitsOf("1.0000");

let bed: EngineBed;
let proxy: TcpProxy;
let engine: WalletEngine;
let other: WalletEngine;
let alice: string;
let messages: string[];

beforeAll(async () => {
  bed = await createEngineBed();
  const url = new URL(bed.serviceUrl);
  proxy = await startTcpProxy({ host: "127.0.0.1", port: Number(url.port) });
  url.port = String(proxy.port);
  url.hostname = "127.0.0.1";
  const listening = listeningLogger();
  messages = listening.messages;
  engine = bed.replica({ databaseUrl: url.href, logger: listening.logger });
  other = bed.replica();
  alice = await walletWith(engine);
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
});

/** In ten-thousandths. */
async function balance(): Promise<bigint> {
  const [row] = await bed.owner<{ balance: string }[]>`
    select balance from wallets where id = ${alice}`;
  return unitsOf(row?.balance ?? "");
}

async function positions(): Promise<bigint> {
  const [row] = await bed.owner<
    { events: bigint }[]
  >`select sum(event_count) as events from journal`;
  return BigInt(row?.events ?? 0);
}

async function reasonOf(outcome: Promise<CommandOutcome>): Promise<string> {
  try {
    return "refusal" in (await outcome) ? "REFUSED" : "ACCEPTED";
  } catch (error) {
    if (error instanceof CommandFault) return error.reason;
    throw error;
  }
}

/** Submits a funding that waits for a row lock, does something to it, and lets the lock go. */
async function whileCommitting(
  requestId: string,
  disturb: () => void | Promise<void>,
): Promise<string> {
  let reason: Promise<string> | undefined;
  await bed.owner.begin(async (sql) => {
    await sql`select id from wallets where id = ${alice} for update`;
    reason = reasonOf(submit(engine, fund(alice, amountOf("1")), requestId));
    await untilBlocked(bed, 1);
    await disturb();
  });
  return (await reason) ?? "";
}

function cutAll(how: "both" | "answers"): void {
  for (let count = proxy.connections; count > 0; count -= 1) proxy.cut(count - 1, how);
}

async function untilRecovered(): Promise<number> {
  const startMs = performance.now();
  await expect
    .poll(() => reasonOf(submit(engine, fund(alice, amountOf("1")))), { timeout: promisedMs })
    .toBe("ACCEPTED");
  return performance.now() - startMs;
}

test("an answer lost after the commit: the outcome is unknown, and the repeat finds it done", async () => {
  const before = await balance();
  expect(await whileCommitting("answer-lost", () => cutAll("answers"))).toBe("OUTCOME_UNKNOWN");
  await expect.poll(balance).toBe(before + one);
  const again = await accepted(other, fund(alice, amountOf("1")), "answer-lost");
  expect(await balance()).toBe(before + one);
  expect(again.wallets.map((wallet) => unitsOf(wallet.balance))).toEqual([before + one]);
  // The engine knows that it knows nothing: its next command is decided on what is true now.
  expect(await reasonOf(submit(engine, fund(alice, amountOf("1"))))).toBe("ACCEPTED");
  expect(messages).not.toContain("A group lost a race.");
});

test("a connection cut while the call waits for a lock: acted once, though nobody was told", async () => {
  for (let round = 0; round < 5; round += 1) {
    const [before, events] = [await balance(), await positions()];
    const requestId = `cut-${round}`;
    expect(await whileCommitting(requestId, () => cutAll("both"))).toBe("OUTCOME_UNKNOWN");
    await accepted(other, fund(alice, amountOf("1")), requestId);
    await untilNobodyWrites();
    expect(await balance()).toBe(before + one);
    expect(await positions()).toBe(events + 1n);
  }
});

/** Waits until no backend of a lost connection is at work any more. */
async function untilNobodyWrites(): Promise<void> {
  await expect
    .poll(async () => {
      const rows = await bed.owner`
        select l.pid from pg_locks l join pg_stat_activity a using (pid)
        where a.datname = current_database() and l.locktype = 'transactionid'
          and l.pid <> pg_backend_pid()`;
      return rows.length;
    })
    .toBe(0);
}

test("a database that refuses connections is told at once, and found again without a restart", async () => {
  await proxy.setMode("refuse");
  for (let count = 0; count < 3; count += 1) {
    const startMs = performance.now();
    expect(await reasonOf(submit(engine, fund(alice, amountOf("1"))))).toBe("DATABASE_UNAVAILABLE");
    expect(performance.now() - startMs).toBeLessThan(promisedMs);
  }
  await proxy.setMode("forward");
  expect(await untilRecovered()).toBeLessThan(promisedMs);
});

test("a database that hangs is told within three seconds, to those who queue behind as well", async () => {
  const before = await balance();
  await proxy.setMode("freeze");
  const startMs = performance.now();
  const first = reasonOf(submit(engine, fund(alice, amountOf("1")), "frozen"));
  await delay(500);
  const behind = reasonOf(submit(engine, fund(alice, amountOf("1"))));
  expect(await first).toBe("OUTCOME_UNKNOWN");
  expect(await behind).toBe("DATABASE_UNAVAILABLE");
  expect(performance.now() - startMs).toBeLessThan(promisedMs);
  await proxy.setMode("forward");
  expect(await untilRecovered()).toBeLessThan(promisedMs);
  await accepted(other, fund(alice, amountOf("1")), "frozen");
  await untilNobodyWrites();
  expect(await balance()).toBe(before + 2n * one);
});

test("a row that somebody locks for long: nothing was done, and others are served after it", async () => {
  const before = await balance();
  let reason = "";
  await bed.owner.begin(async (sql) => {
    await sql`select id from wallets where id = ${alice} for update`;
    reason = await reasonOf(submit(engine, fund(alice, amountOf("1")), "locked-long"));
  });
  expect(reason).toBe("DATABASE_UNAVAILABLE");
  expect(await balance()).toBe(before);
  await accepted(engine, fund(alice, amountOf("1")), "locked-long");
  expect(await balance()).toBe(before + one);
});

test("connections cut again and again leave the process alive and each request done once", async () => {
  const before = await balance();
  const requestsMax = 100;
  const triesMax = 100;
  const stopCutting = startCutting();
  for (let count = 0; count < requestsMax; count += 1) {
    let reason = "";
    for (let attempt = 0; attempt < triesMax && reason !== "ACCEPTED"; attempt += 1) {
      reason = await reasonOf(submit(engine, fund(alice, amountOf("1")), `cuts-${count}`));
      expect(["ACCEPTED", "OUTCOME_UNKNOWN", "DATABASE_UNAVAILABLE"]).toContain(reason);
    }
    expect(reason).toBe("ACCEPTED");
  }
  stopCutting();
  await untilNobodyWrites();
  expect(await balance()).toBe(before + BigInt(requestsMax) * one);
});

function startCutting(): () => void {
  let count = 0;
  const timer = setInterval(() => {
    count += 1;
    proxy.cut(count, count % 2 === 0 ? "both" : "answers");
  }, 40);
  onTestFinished(() => clearInterval(timer));
  return () => clearInterval(timer);
}

test("every session has the limits that keep a hanging call from hanging others", async () => {
  for (const client of [engine, other]) {
    const rows = await client.pool.read(
      (sql) => sql<{ name: string; setting: string }[]>`
        select name, setting from pg_settings where name in
          ('lock_timeout', 'statement_timeout', 'client_connection_check_interval', 'TimeZone')
        order by name`,
    );
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      client_connection_check_interval: "200",
      lock_timeout: "2000",
      statement_timeout: "2500",
      TimeZone: "UTC",
    });
  }
});

test("no session looks up the server's types: that ends the process when its connection breaks", async () => {
  const looksUp = await engine.pool.call(async (sql) => sql.options.fetch_types);
  expect(looksUp).toBe(false);
});
