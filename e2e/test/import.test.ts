import { gatewaySchema, startGateway } from "@pelikuni/gateway/start-gateway";
import { createLogger } from "@pelikuni/runtime/logger";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type HistoryBed, startHistoryBed } from "../src/history-bed.ts";
import {
  addEarlierWallets,
  createEarlierDatabase,
  type EarlierDatabase,
  startImport,
} from "../src/import-command.ts";
import { unitsOf } from "../src/money-units.ts";
import { type RestService, restClient, walletOf } from "./rest-service.ts";

const walletCount = 3_000;

let bed: AsyncDisposable & { readonly history: HistoryBed; readonly source: EarlierDatabase };
let rest: Pick<RestService, "origin" | "wallet" | "send">;

beforeAll(async () => {
  bed = await buildWithResources(async (resources) => {
    const source = resources.use(await createEarlierDatabase());
    const history: HistoryBed = resources.use(await startHistoryBed());
    const gateway = resources.use(
      await startGateway({
        configuration: gatewaySchema.parse({
          port: 0,
          wallet_service_address: `127.0.0.1:${history.walletGrpcPort}`,
          history_service_address: `127.0.0.1:${history.historyGrpcPort}`,
        }),
        logger: createLogger("test", { level: "silent", format: "json" }),
      }),
    );
    rest = restClient(`http://127.0.0.1:${gateway.port}`);
    return { history, source, [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose]() };
  });
});
afterAll(() => bed[Symbol.asyncDispose]());

test("after an import beside the running services clients of the earlier version see their wallets", async () => {
  const { source, history } = bed;
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
