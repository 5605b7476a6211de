import { createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { z } from "zod";
import { type RestHistoryBed, startRestHistoryBed } from "./rest-history-bed.ts";
import { expectProblem, type RestAnswer } from "./rest-service.ts";

const formula = '=cmd|"x",\r\n1';
const pagesMax = 50;

const entrySchema = z.looseObject({
  version: z.number(),
  kind: z.string(),
  amount: z.string(),
  balance: z.string(),
  occurred_at: z.string(),
  transaction_id: z.string(),
  position: z.number(),
  head: z.string(),
});
type EntryView = z.output<typeof entrySchema>;

let bed: RestHistoryBed;
let rest: RestHistoryBed["rest"];
let id: string;
let last: RestAnswer;
let entries: EntryView[];

beforeAll(async () => {
  bed = await startRestHistoryBed();
  ({ rest } = bed);
  ({ id } = await rest.wallet(formula));
  await nextMs();
  const bob = await rest.wallet("bob");
  const fund = `/wallets/${id}/fund`;
  await rest.send("POST", fund, { amount: "100" }, { "Idempotency-Key": "@salary" });
  for (let index = 0; index < 3; index += 1) {
    await nextMs();
    const body = { to_wallet_id: bob.id, amount: "2.5" };
    await rest.send("POST", `/wallets/${id}/transfer`, body);
  }
  await nextMs();
  last = await rest.send("POST", fund, { amount: "0.0001" });
  entries = entriesOf(await rest.send("GET", historyPath({ direction: "oldest", ...upToLast() })));
});

afterAll(() => bed[Symbol.asyncDispose]());

/** Instants are not finer than milliseconds. */
async function nextMs(): Promise<void> {
  const now = Date.now();
  await vi.waitUntil(() => Date.now() > now, { interval: 1 });
}

function upToLast(): { min_position: string } {
  return { min_position: last.headers.get("position") ?? "" };
}

function historyPath(query: Record<string, string> = {}): string {
  return `/wallets/${id}/history?${new URLSearchParams(query)}`;
}

function statementPath(query: Record<string, string>): string {
  return `/wallets/${id}/statement?${new URLSearchParams(query)}`;
}

function entriesOf({ status, body }: RestAnswer): EntryView[] {
  expect(status, JSON.stringify(body)).toBe(200);
  return z.array(entrySchema).parse(body);
}

function versions(list: readonly EntryView[]): number[] {
  return list.map(({ version }) => version);
}

function entryAt(version: number): EntryView {
  return entrySchema.parse(entries[version]);
}

test("what was just written is read with the Position that it was answered", async () => {
  const path = `/wallets/${id}/fund`;
  for (let version = entries.length; version < entries.length + 5; version += 1) {
    const funded = await rest.send("POST", path, { amount: "1" });
    const min_position = funded.headers.get("position") ?? "";
    const read = await rest.send("GET", historyPath({ min_position, page_size: "1" }));
    expect(versions(entriesOf(read))).toEqual([version]);
    const completeTo = Number(read.headers.get("history-complete-to"));
    expect(completeTo).toBeGreaterThanOrEqual(Number(min_position));
    const balance = await rest.send("GET", `/wallets/${id}/balance?min_position=${min_position}`);
    expect(balance.body).toMatchObject({ version });
  }
});

test("an entry is shown in snake_case with everything that history knows of it", async () => {
  expect(entries.slice(0, 3)).toMatchObject([
    { version: 0, kind: "wallet_created", amount: "0.0000" },
    {
      wallet_id: id,
      user_id: formula,
      version: 1,
      kind: "wallet_funded",
      amount: "100.0000",
      balance: "100.0000",
      held: "0.0000",
      available: "100.0000",
      currency: "USD",
      status: "ACTIVE",
      request_id: "@salary",
      head: expect.stringMatching(/^[0-9a-f]{64}$/),
      occurred_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    },
    { version: 2, kind: "transfer_completed", amount: "-2.5000" },
  ]);
});

test("history is newest first; its links keep the filters and list every entry once", async () => {
  const { occurred_at: from } = entryAt(1);
  const { occurred_at: to } = entryAt(5);
  const query = { kind: "transfer_completed,wallet_funded", from, to, page_size: "2" };
  const seen: number[][] = [];
  let next: string | undefined = historyPath(query);
  while (next !== undefined && seen.length < pagesMax) {
    const answer: RestAnswer = await rest.send("GET", next);
    seen.push(versions(entriesOf(answer)));
    next = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get("link") ?? "")?.[1];
  }
  expect(seen).toEqual([
    [4, 3],
    [2, 1],
  ]);
  const oldest = await rest.send("GET", historyPath({ ...query, direction: "oldest" }));
  expect(versions(entriesOf(oldest))).toEqual([1, 2]);
  const kind = "wallet_created";
  expect(versions(entriesOf(await rest.send("GET", historyPath({ kind }))))).toEqual([0]);
});

test("the balance of an instant holds the changes of that instant, and none later", async () => {
  const balanceAt = async (at: string): Promise<RestAnswer> =>
    await rest.send("GET", `/wallets/${id}/balance?at=${at}`);
  const { occurred_at, transaction_id } = entryAt(2);
  const then = await balanceAt(occurred_at);
  expect(then.body).toMatchObject({ version: 2, balance: "97.5000", occurred_at, transaction_id });
  expect(then.headers.get("history-complete-to")).toMatch(/^\d+$/);
  const before = new Date(Date.parse(occurred_at) - 1).toISOString();
  expect((await balanceAt(before)).body).toMatchObject({ version: 1, balance: "100.0000" });
  // Neither curl nor a browser's address field encodes the plus of an offset.
  expect((await balanceAt(occurred_at.replace("Z", "+00:00"))).body).toEqual(then.body);
  expectProblem(await balanceAt("2020-01-01"), 404, { reason: "WALLET_NOT_FOUND" });
});

test("a statement opens, lists and closes a period, of days or instants", async () => {
  const { occurred_at: from } = entryAt(2);
  const { occurred_at: to } = entryAt(5);
  const answer = await rest.send("GET", statementPath({ from, to }));
  expect(answer.headers.get("content-type")).toBe("application/json; charset=utf-8");
  expect(answer.headers.get("history-complete-to")).toMatch(/^\d+$/);
  expect(answer.body).toEqual({
    wallet_id: id,
    user_id: formula,
    currency: "USD",
    from,
    to,
    opening_balance: "100.0000",
    entries: [2, 3, 4].map((version) => expect.objectContaining(entryAt(version))),
    closing_balance: "92.5000",
    entry_count: 3,
    total_in: "0.0000",
    total_out: "7.5000",
    complete_to: expect.any(Number),
  });
  const year = await rest.send("GET", statementPath({ from: "2020-01-01", to: "2021-01-01" }));
  expect(year.body).toMatchObject({
    from: "2020-01-01T00:00:00.000Z",
    to: "2021-01-01T00:00:00.000Z",
    opening_balance: "0.0000",
    entries: [],
    closing_balance: "0.0000",
  });
});

test("a statement as CSV has a row for each entry, and nothing in it is a formula", async () => {
  const { occurred_at: from, position, transaction_id, head } = entryAt(1);
  const { occurred_at: to } = entryAt(3);
  const csv = await rest.send("GET", statementPath({ from, to }), undefined, {
    Accept: "text/csv",
  });
  expect(csv.headers.get("content-type")).toMatch(/^text\/csv; charset=utf-8/);
  const user = `"'=cmd|""x"",\r\n1"`;
  const { occurred_at: paidAt, ...paid } = entryAt(2);
  expect(csv.body).toBe(
    [
      "occurred_at,kind,amount,balance,held,available,currency,status,version,position," +
        "transaction_id,request_id,head,wallet_id,user_id," +
        "reference,description,metadata,hold_id,reverses_transaction_id," +
        "actor_issuer,actor_subject,actor_client",
      `${from},opening_balance,,0.0000,,,USD,,,,,,,${id},${user},,,,,,,,`,
      `${from},wallet_funded,100.0000,100.0000,0.0000,100.0000,USD,ACTIVE,1,${position},` +
        `${transaction_id},"'@salary",${head},${id},${user},,,,,,,,`,
      `${paidAt},transfer_completed,-2.5000,97.5000,0.0000,97.5000,USD,ACTIVE,2,${paid.position},` +
        `${paid.transaction_id},,${paid.head},${id},${user},,,,,,,,`,
      `${to},closing_balance,,97.5000,,,USD,,,,,,,${id},${user},,,,,,,,`,
      "",
    ].join("\r\n"),
  );
  const asked = await rest.send("GET", statementPath({ from, to, format: "csv" }));
  expect(asked.body).toBe(csv.body);
});

test("a statement of many entries arrives whole in both formats", async () => {
  const { id: rich } = await rest.wallet("rich");
  const fund = (): Promise<RestAnswer> =>
    rest.send("POST", `/wallets/${rich}/fund`, { amount: "1" });
  let position = 0;
  for (let batch = 0; batch < 12; batch += 1) {
    const funded = await Promise.all(Array.from({ length: 100 }, fund));
    position = Math.max(position, ...funded.map(({ headers }) => Number(headers.get("position"))));
  }
  const query = `from=2020-01-01&to=2100-01-01&min_position=${position}`;
  const path = `/wallets/${rich}/statement?${query}`;
  const { body } = await rest.send("GET", path);
  const statement = z.object({ entries: z.array(entrySchema) }).parse(body);
  expect(versions(statement.entries)).toEqual(Array.from({ length: 1_201 }, (_, index) => index));
  expect(body).toMatchObject({ closing_balance: "1200.0000", entry_count: 1_201 });
  const rows = z.string().parse((await rest.send("GET", `${path}&format=csv`)).body);
  expect(rows.split("\r\n")).toHaveLength(1_205);
  expect(rows).toContain("closing_balance,,1200.0000");
});

test("a transaction is shown with the bytes that its head is the hash of", async () => {
  const { transaction_id, position, head } = entryAt(2);
  const { body } = await rest.send("GET", `/transactions/${transaction_id.toUpperCase()}`);
  expect(body).toMatchObject({
    transaction_id,
    position,
    head,
    kind: "transfer_completed",
    legs: [{ from: { wallet_id: id }, amount: "2.5000", currency: "USD" }],
    changes: [
      { wallet_id: id, version: 2, amount: "-2.5000", previous_head: entryAt(1).head },
      { user_id: "bob", amount: "2.5000" },
    ],
  });
  const { event_bytes } = z.object({ event_bytes: z.base64() }).parse(body);
  const hash = createHash("sha256").update(Buffer.from(event_bytes, "base64")).digest("hex");
  expect(hash).toBe(head);
  const funding = await rest.send("GET", `/transactions/${entryAt(1).transaction_id}`);
  expect(funding.body).toMatchObject({
    kind: "wallet_funded",
    request_id: "@salary",
    legs: [{ from: { account: "external" }, to: { wallet_id: id } }],
  });
});

test("a statement of damaged entries says which wallet's history is damaged, and where", async () => {
  const { id: damaged } = await rest.wallet("damaged", "5");
  const period = { from: "2020-01-01", to: "2100-01-01" };
  const path = `/wallets/${damaged}/statement?${new URLSearchParams(period)}`;
  const funded = await rest.send("POST", `/wallets/${damaged}/fund`, { amount: "1" });
  const minPosition = funded.headers.get("position");
  expect((await rest.send("GET", `${path}&min_position=${minPosition}`)).status).toBe(200);
  const { historyOwner: sql } = bed.history;
  await sql`alter table entries disable trigger append_only`;
  await sql`update entries set amount = 4 where wallet_id = ${damaged} and version = 1`;
  await sql`alter table entries enable always trigger append_only`;
  for (const format of ["json", "csv"]) {
    expectProblem(await rest.send("GET", `${path}&format=${format}`), 500, {
      reason: "HISTORY_DAMAGED",
      detail: `The history of wallet ${damaged} is damaged at its version 1; VerifyWallet says how`,
    });
  }
  expect((await rest.send("HEAD", path)).status).toBe(500);
});
