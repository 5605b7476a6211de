import { afterAll, beforeAll, expect, test } from "vitest";
import {
  addEarlierWallets,
  createEarlierDatabase,
  type EarlierDatabase,
  startImport,
} from "../src/import-command.ts";
import { unitsOf } from "../src/money-units.ts";
import { type RestHistoryBed, startRestHistoryBed } from "./rest-history-bed.ts";
import { walletOf } from "./rest-service.ts";

const walletCount = 3_000;

let bed: RestHistoryBed;
let source: EarlierDatabase;
beforeAll(async () => {
  bed = await startRestHistoryBed();
  source = await createEarlierDatabase();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
  await source[Symbol.asyncDispose]();
});

test("after an import beside the running services clients of the earlier version see their wallets", async () => {
  const { history, rest } = bed;
  const sum = await addEarlierWallets(source, walletCount);
  const { exitCode, output } = await startImport(source, history.walletDatabase).ended;
  expect(output).toContain(`USD the same here: 3,000 wallets with ${sum}.`);
  expect(exitCode).toBe(0);

  const earlier = await source.sql<{ id: string; user_id: string; balance: string }[]>`
    select id, user_id, balance::numeric(19, 4)::text from wallets order by random() limit 50`;
  for (const wallet of earlier) {
    const shown = walletOf(await rest.send("GET", `/wallets/${wallet.id}`));
    expect(shown).toMatchObject(wallet);
    const ofUser = await rest.send("GET", `/users/${encodeURIComponent(wallet.user_id)}/wallets`);
    expect(ofUser.body).toContainEqual(shown);
  }
  const paid = earlier.find(({ balance }) => (unitsOf(balance) ?? 0n) > 10_000n);
  const to = earlier.find(({ id }) => id !== paid?.id);
  const body = { to_wallet_id: to?.id, amount: "1" };
  const transfer = await rest.send("POST", `/wallets/${paid?.id}/transfer`, body);
  expect(transfer.status).toBe(200);

  const position = transfer.headers.get("position") ?? "";
  const entries = await rest.send("GET", `/wallets/${paid?.id}/history?min_position=${position}`);
  expect(entries.body).toMatchObject([
    { kind: "transfer_completed", amount: "-1.0000" },
    { kind: "wallet_funded", amount: paid?.balance, balance: paid?.balance },
    { kind: "wallet_created", balance: "0.0000" },
  ]);
  // 3,000 creations, a funding for nine of ten, and the transfer.
  expect(await history.history.getCompleteness({})).toMatchObject({
    completeTo: BigInt(walletCount + walletCount * 0.9 + 1),
    missing: [],
    parkedCount: 0n,
  });
  for await (const { result } of history.history.reconcile({})) {
    expect(result).toMatchObject({
      case: "summary",
      value: { walletCount: BigInt(walletCount), differenceCount: 0n },
    });
  }
  for await (const { findingCount } of history.history.verifyJournal({})) {
    expect(findingCount).toBe(0n);
  }
});
