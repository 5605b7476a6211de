import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import {
  addEarlierWallets,
  createEarlierDatabase,
  type EarlierDatabase,
  startImport,
} from "../../e2e/src/import-command.ts";
import { fund, transfer } from "../src/decide/command.ts";
import { importReferenceOf } from "../src/import-reference.ts";
import { runImport } from "../src/import-run.ts";
import { rulesOf } from "../src/rules.ts";
import type { WalletEngine } from "../src/wallet-engine.ts";
import {
  accepted,
  amountOf,
  createEngineBed,
  type EngineBed,
  quiet,
  submit,
} from "./test-engine.ts";

const currencies = new Map([
  ["USD", { decimals: 4 }],
  ["JPY", { decimals: 0 }],
]);
const accounts = ["external", "import"];
const rules = rulesOf({ currencies, accounts, hold_days_max: 31 });

let bed: EngineBed;
let source: EarlierDatabase;
let engine: WalletEngine;

beforeAll(async () => {
  bed = await createEngineBed();
  engine = bed.replica({ rules });
});
afterAll(() => bed[Symbol.asyncDispose]());

async function earlier(): Promise<EarlierDatabase> {
  source = await createEarlierDatabase();
  onTestFinished(() => source[Symbol.asyncDispose]());
  return source;
}

async function addWallet(balance: string | null, userId: string | null = "alice"): Promise<string> {
  const id = randomUUID();
  await source.sql`insert into wallets values (${id}, ${userId}, ${balance}::text::numeric, 7)`;
  return id;
}

/** Imports in this process; gives the outcome with all that was told. */
async function runAll(currency = "USD"): Promise<{ same: boolean; told: string[] }> {
  const told: string[] = [];
  const same = await runImport({
    source: { url: source.url },
    database: { url: bed.serviceUrl },
    currency,
    rules,
    now: Date.now,
    logger: quiet,
    tell: (line) => void told.push(line),
  });
  return { same, told };
}

async function walletOf(id: string): Promise<object | undefined> {
  const [row] = await bed.owner`
    select user_id, currency, balance, version from wallets where id = ${id}`;
  return row;
}

async function lastPosition(): Promise<bigint> {
  const [row] = await bed.owner<{ events: bigint }[]>`
    select coalesce(sum(event_count), 0)::bigint as events from journal`;
  return row?.events ?? 0n;
}

test("wallets come over with their ids, users and balances, each by its creation and its funding", async () => {
  await earlier();
  const rich = await addWallet("12.3400");
  const poor = await addWallet("0");
  const before = await lastPosition();
  const { same, told } = await runAll();
  expect(same).toBe(true);
  expect(await walletOf(rich)).toEqual({
    user_id: "alice",
    currency: "USD",
    balance: "12.3400",
    version: 1n,
  });
  expect(await walletOf(poor)).toMatchObject({ balance: "0.0000", version: 0n });
  expect(await lastPosition()).toBe(before + 3n);
  expect(told).toContain("USD in the earlier version: 2 wallets with 12.3400.");
  expect(told).toContain("USD the same here: 2 wallets with 12.3400.");
});

test("a second run changes nothing, and says the same sums", async () => {
  await earlier();
  const sum = await addEarlierWallets(source, 2_500);
  const first = await runAll();
  const position = await lastPosition();
  const second = await runAll();
  expect(await lastPosition()).toBe(position);
  expect([first.same, second.same]).toEqual([true, true]);
  for (const { told } of [first, second]) {
    expect(told).toContain(`USD the same here: 2,500 wallets with ${sum}.`);
  }
  expect(second.told.join()).toContain("0 created, 0 given their balance, 2,500 left as they are");
});

test("a wallet that is here without its balance gets it, once", async () => {
  await earlier();
  const id = await addWallet("5");
  await accepted(engine, { kind: "createWallet", walletId: id, userId: "alice", currency: "USD" });
  await accepted(engine, fund(id, amountOf("2")));
  for (const _run of [1, 2]) expect((await runAll()).same).toBe(true);
  expect(await walletOf(id)).toMatchObject({ balance: "7.0000", version: 2n });
});

test("what cannot come over is told by its id, with what to do, and the others come over", async () => {
  await earlier();
  const good = await addWallet("999999999999999.9999", "x".repeat(100));
  const odd = {
    "Its balance is negative. Set it right": await addWallet("-0.01"),
    "Its balance is beyond 999999999999999.9999.": await addWallet("1000000000000000"),
    "Its balance has more than the 4 decimals of USD.": await addWallet("1.00005"),
    "Its balance is no number.": await addWallet("NaN"),
    "It has no balance.": await addWallet(null),
    "It has no user_id. Give it one": await addWallet("1", ""),
    "It has no user_id. Give": await addWallet("1", null),
    "Its user_id has 101 characters": await addWallet("1", "y".repeat(101)),
  };
  const { same, told } = await runAll();
  expect(same).toBe(false);
  for (const [problem, id] of Object.entries(odd)) {
    expect(told.filter((line) => line.startsWith(`Wallet ${id}: ${problem}`))).toHaveLength(1);
    expect(await walletOf(id)).toBeUndefined();
  }
  expect(told.at(-1)).toBe("8 wallets differ.");
  expect(await walletOf(good)).toMatchObject({ balance: "999999999999999.9999" });
});

test("characters beyond the basic plane count once, and zeros behind the decimals do not count", async () => {
  await earlier();
  const id = await addWallet("1.5000000", "🙂".repeat(100));
  expect((await runAll()).same).toBe(true);
  expect(await walletOf(id)).toMatchObject({ balance: "1.5000" });
});

test("a wallet that exists with another owner or currency is left alone, and told", async () => {
  await earlier();
  const others = await addWallet("1");
  const yen = await addWallet("2");
  const create = { kind: "createWallet", userId: "alice" } as const;
  await accepted(engine, { ...create, walletId: others, userId: "bob", currency: "USD" });
  await accepted(engine, { ...create, walletId: yen, currency: "JPY" });
  const { same, told } = await runAll();
  expect(same).toBe(false);
  expect(told).toContain(`Wallet ${others}: It exists with another user_id, and was left alone.`);
  expect(told).toContain(`Wallet ${yen}: It exists in JPY instead of USD, and was left alone.`);
  expect(await walletOf(others)).toMatchObject({ user_id: "bob", balance: "0.0000" });
  expect(await walletOf(yen)).toMatchObject({ currency: "JPY", balance: "0.0000" });
});

test("a balance that the earlier version changed after the import is told, and left alone", async () => {
  await earlier();
  const id = await addWallet("10");
  const emptied = await addWallet("3");
  await runAll();
  await source.sql`update wallets set balance = 11 where id = ${id}`;
  await source.sql`update wallets set balance = 0 where id = ${emptied}`;
  const { same, told } = await runAll();
  expect(same).toBe(false);
  const told10 = told.filter((line) => line.includes(id));
  expect(told10[0]).toContain("11.0000 in the earlier version, 10.0000 came over");
  expect(told.join("\n")).toContain(
    `Wallet ${emptied}: Its balance is another one: 0.0000 in the earlier version, 3.0000`,
  );
  expect(await walletOf(id)).toMatchObject({ balance: "10.0000" });
});

test("a frozen wallet without its balance is told, and gets it once it is unfrozen", async () => {
  await earlier();
  const id = await addWallet("0");
  await runAll();
  const status = { kind: "changeStatus", walletId: id, reason: "" } as const;
  await accepted(engine, { ...status, status: "FROZEN" });
  await source.sql`update wallets set balance = 4 where id = ${id}`;
  const { told } = await runAll();
  expect(told.join()).toContain("since it is FROZEN. Unfreeze it and import again.");
  await accepted(engine, { ...status, status: "ACTIVE" });
  expect((await runAll()).same).toBe(true);
  expect(await walletOf(id)).toMatchObject({ balance: "4.0000" });
});

test("an import beside traffic on the very wallets that it brings over conserves all money", async () => {
  await earlier();
  const count = 6_000;
  await addEarlierWallets(source, count);
  const rows = await source.sql<{ id: string }[]>`select id from wallets order by id`;
  const ids = rows.map(({ id }) => id);
  const [before] = await bed.owner`select coalesce(sum(balance), 0)::text as sum from wallets`;
  let moved = 0;
  const stop = new AbortController();
  const traffic = async (caller: number): Promise<void> => {
    for (let turn = caller; !stop.signal.aborted; turn += 7) {
      const from = ids[turn % count] ?? "";
      const to = ids[(turn * 31 + 1) % count] ?? "";
      const outcome = await submit(engine, transfer(from, to, amountOf("0.01")));
      if ("answer" in outcome) moved += 1;
    }
  };
  const callers = Promise.all([1, 2, 3, 4].map(traffic));
  const { same, told } = await runAll();
  await expect.poll(() => moved).toBeGreaterThan(100);
  stop.abort();
  await callers;
  expect(same).toBe(true);
  const used = told.find((line) => line.includes("used since:")) ?? "";
  expect(used).not.toContain("; 0 of them");
  const [row] =
    await source.sql`select (sum(balance) + ${before?.sum}::numeric)::numeric(30, 4) as sum from wallets`;
  const [after] = await bed.owner`select sum(balance)::text as sum from wallets`;
  expect(after?.sum).toBe(row?.sum);
  expect((await runAll()).same).toBe(true);
});

test("only one import runs at a time", async () => {
  await earlier();
  await addEarlierWallets(source, 3_000);
  const runs = await Promise.allSettled([runAll(), runAll()]);
  const refused = runs.flatMap((run) => (run.status === "rejected" ? [String(run.reason)] : []));
  expect(refused).toEqual(["OperatorError: Another import is running; only one may at a time."]);
});

test("the reference of an imported balance belongs to the account import alone", async () => {
  await earlier();
  const id = await addWallet("6");
  await runAll();
  const details = { reference: importReferenceOf(id), description: "", metadata: {} };
  const again = async (account: string): Promise<object | undefined> => {
    const command = fund(id, amountOf("6"), undefined, account);
    const request = { command, details, requestId: "", requestKey: undefined };
    return await engine.groupCommit.submit([request], Number.POSITIVE_INFINITY)[0];
  };
  expect(await again("import")).toMatchObject({ refusal: { reason: "REFERENCE_ALREADY_USED" } });
  expect(await again("external")).toHaveProperty("answer");
});

test("an address with a password is refused as an argument, which others can see", async () => {
  await earlier();
  const target = { serviceUrl: bed.serviceUrl, ownerUrl: bed.serviceUrl };
  const { exitCode, output } = await startImport(source, target, [source.url]).ended;
  expect(exitCode).toBe(2);
  expect(output).toContain("set APP__IMPORT__SOURCE_URL instead");
  expect(output).not.toContain(new URL(source.url).password);
});

test("a database that is not the earlier version's is refused before anything happens", async () => {
  await earlier();
  const { url } = source;
  const refusal = (sourceUrl: string, currency = "USD"): Promise<boolean> =>
    runImport({
      source: { url: sourceUrl },
      database: { url: bed.serviceUrl },
      currency,
      rules,
      now: Date.now,
      logger: quiet,
      tell: () => undefined,
    });
  await expect(refusal(bed.serviceUrl)).rejects.toThrow("belongs to this version");
  await expect(refusal(url.replace(/\/[^/]*$/, "/nowhere"))).rejects.toThrow("gave no answer");
  await expect(refusal(url, "XYZ")).rejects.toThrow("not in wallet_service.currencies");
  await source.sql`alter table wallets alter balance type bigint`;
  await expect(refusal(url)).rejects.toThrow("wallets.balance to import from is bigint");
  await source.sql`alter table wallets drop balance`;
  await expect(refusal(url)).rejects.toThrow("lacks the column balance");
  await source.sql`drop table wallets`;
  await expect(refusal(url)).rejects.toThrow("has no table wallets");
});
