import type { ReconcileResponse } from "@pelikuni/gen/history/v1/history_service_pb";
import type postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type HistoryBed, startHistory, startHistoryBed } from "../src/history-bed.ts";
import { runHistoryCommand } from "../src/history-command.ts";

let bed: HistoryBed;
let walletIds: string[];
beforeAll(async () => {
  bed = await startHistoryBed();
  // More than a page on either side.
  const created = await Promise.all(
    Array.from({ length: 1_200 }, (_, index) =>
      bed.wallets.createWallet({ userId: `user-${index}` }),
    ),
  );
  walletIds = created.map(({ wallet }) => wallet?.id ?? "").toSorted();
  for (const walletId of walletIds.slice(0, 5)) {
    await bed.wallets.fundWallet({ walletId, amount: "10" });
  }
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

async function reconcile(): Promise<ReconcileResponse["result"][]> {
  const results: ReconcileResponse["result"][] = [];
  for await (const { result } of bed.history.reconcile({})) results.push(result);
  return results;
}

/** Changes history's tables as nobody but their owner can, with the triggers off. */
async function tamper(
  change: (sql: postgres.Sql<{ bigint: bigint }>) => Promise<unknown>,
): Promise<void> {
  const sql = bed.historyOwner;
  const tables = ["entries", "account_entries", "account_totals"];
  for (const table of tables) await sql`alter table ${sql(table)} disable trigger append_only`;
  await change(sql);
  for (const table of tables)
    await sql`alter table ${sql(table)} enable always trigger append_only`;
}

async function runCommand(
  name: string,
  address = `127.0.0.1:${bed.historyGrpcPort}`,
  environment: Readonly<Record<string, string>> = {},
): ReturnType<typeof runHistoryCommand> {
  return await runHistoryCommand(name, address, environment);
}

test("equal histories have no difference, while money goes on moving", async () => {
  const enough = new AbortController();
  const mover = (async () => {
    while (!enough.signal.aborted) {
      const [fromWalletId = "", toWalletId = ""] = walletIds;
      await bed.wallets.transfer({ fromWalletId, toWalletId, amount: "0.0001" });
    }
  })();
  const results = await reconcile();
  enough.abort();
  await mover;
  expect(results).toEqual([
    {
      case: "summary",
      value: expect.objectContaining({
        walletCount: 1_200n,
        differenceCount: 0n,
        currencySums: [
          expect.objectContaining({
            currency: "USD",
            wallets: "50.0000",
            accounts: "-50.0000",
            sum: "0.0000",
          }),
        ],
      }),
    },
  ]);
  expect(await runCommand("reconcile")).toMatchObject({
    code: 0,
    output: expect.stringMatching(
      /^reconcile: asking the history-service at 127\.0\.0\.1:\d+\n1200 wallets compared at position \d+: 0 differ\.\nUSD: wallets 50\.0000 \+ accounts -50\.0000 = 0\.0000\n$/,
    ),
  });
  expect(await runCommand("verify-journal")).toMatchObject({
    code: 0,
    output: expect.stringMatching(
      /: 0 findings\.\nThe journal hash of position \d+ is [0-9a-f]{64}\.\n$/,
    ),
  });
});

test("money that was made is told by currency, and the command ends with exit code 1", async () => {
  const make = (units: number) =>
    tamper(async (sql) => {
      // Position 1201 is the first funding; a total may have been made of it.
      await sql`update account_entries set amount = amount + ${units} where position = 1201`;
      await sql`update account_totals set total_out = total_out - ${units} where position > 1200`;
    });
  await make(1);
  const command = await runCommand("reconcile");
  expect(command.code).toBe(1);
  expect(command.output).toContain(
    "0 differ.\nUSD: wallets 50.0000 + accounts -49.0000 = 1.0000\n",
  );
  await make(-1);
});

test("each kind of difference is told, and the commands end with exit code 1", async () => {
  const at = (index: number): string => walletIds.at(index) ?? "";
  const invented = "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1";
  await tamper(async (sql) => {
    await sql`update entries set balance = balance + 1 where wallet_id = ${at(2)} and version = 1`;
    await sql`delete from entries where wallet_id = ${at(3)} and version = 1`;
    await sql`update entries set head = sha256(head) where wallet_id = ${at(700)}`;
    await sql`update entries set held = 0.0001, status = 'FROZEN' where wallet_id = ${at(800)}`;
    await sql`delete from entries where wallet_id in ${sql([at(900), at(-1)])}`;
    await sql`
      insert into entries select ${invented}, version, position, transaction_id, occurred_at, kind,
        amount, currency, balance, held, status, user_id, request_id, details, hold_id,
        reverses_transaction_id, head
      from entries where wallet_id = ${at(5)}`;
  });
  const results = await reconcile();
  const told = results.flatMap(({ case: kind, value }) =>
    kind === "difference" ? [`${value.walletId} ${value.description}`] : [],
  );
  const expected = [
    `${at(2)} balance`,
    ...["balance", "version", "head"].map((what) => `${at(3)} ${what}`),
    `${at(700)} head`,
    `${at(800)} held`,
    `${at(800)} status`,
    `${at(900)} missing in history`,
    `${at(-1)} missing in history`,
    `${invented} missing in wallets`,
  ];
  expect(new Set(told)).toEqual(new Set(expected));
  expect(told).toHaveLength(expected.length);
  expect(results.at(-1)?.value).toMatchObject({ walletCount: 1_201n, differenceCount: 7n });
  const command = await runCommand("reconcile");
  expect(command.code).toBe(1);
  expect(command.output).toContain(`Wallet ${at(900)}: missing in history`);
  expect(command.output).toContain("7 differ.");
  const verification = await runCommand("verify-journal");
  expect(verification.code).toBe(1);
  expect(verification.output).toMatch(/: \d+ findings\. No hash is verified\.\n$/);
  for (const walletId of [at(2), at(3), at(700), at(900), at(-1), invented]) {
    expect(verification.output).toContain(`wallet ${walletId} version`);
  }
});

test("without a wallet-service the reconciliation says so, and the command ends with exit code 2", async () => {
  await using alone = await startHistory(bed.historyDatabase, { walletGrpcPort: 1 });
  const { output, code } = await runCommand("reconcile", `127.0.0.1:${alone.grpcPort}`);
  expect(output).toContain("The wallet-service does not answer");
  expect(code).toBe(2);
  const nobody = { APP__HISTORY_SERVICE__GRPC__PORT: "1" };
  expect(await runCommand("reconcile", "", nobody)).toMatchObject({
    code: 2,
    output: expect.stringContaining("the history-service at localhost:1 gave no answer"),
  });
  expect(await runCommand("reconcile", "127.0.0.1:1")).toMatchObject({
    code: 2,
    output: expect.stringContaining("gave no answer"),
  });
});
