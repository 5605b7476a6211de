import { setTimeout as pause } from "node:timers/promises";
import { type Client, createClient } from "@connectrpc/connect";
import { HistoryService } from "@pelikuni/gen/history/v1/history_service_pb";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import postgres from "postgres";
import { expect, inject, test } from "vitest";
import { type HistoryBed, startHistory, startHistoryBed, transportTo } from "../src/history-bed.ts";
import { createTestDatabase, type TestDatabase } from "../src/test-database.ts";
import { describeOverKafka } from "../src/test-kafka.ts";

declare module "vitest" {
  // Vitest's own interface, extended by what vitest.config.ts provides.
  interface ProvidedContext {
    /** How long transactions are left open, in milliseconds. */
    openTransactionsMs: number;
  }
}

const walletCount = 20;
const movers = 4;
// A load that leaves the machine room: what is held back shows at any rate.
const pauseMs = 10;
const lagMsMax = 5_000;
const catchUpMs = 30_000;

type History = Client<typeof HistoryService>;

/** Transactions that have written, have a snapshot, and do not end. */
interface OpenTransactions extends AsyncDisposable {
  /** For how long each has been open by Postgres' clock, milliseconds. */
  readonly readAgesMs: () => Promise<number[]>;
}

/** Leaves one open in each database. */
async function leaveOpen(databases: readonly TestDatabase[]): Promise<OpenTransactions> {
  return await buildWithResources(async (resources) => {
    const sessions: postgres.Sql[] = [];
    for (const { ownerUrl } of databases) {
      const sql = postgres(ownerUrl, { max: 1 });
      resources.use({ [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }) });
      await sql`create table left_open (at timestamptz)`;
      await sql`begin isolation level repeatable read`;
      await sql`insert into left_open values (now())`;
      sessions.push(sql);
    }
    return {
      readAgesMs: () => Promise.all(sessions.map(readAgeMs)),
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

async function readAgeMs(sql: postgres.Sql): Promise<number> {
  const [row] = await sql<{ age: number; isWriting: boolean }[]>`
    select 1000 * extract(epoch from clock_timestamp() - now())::float8 as age,
      pg_current_xact_id_if_assigned() is not null as "isWriting"`;
  if (row?.isWriting !== true) throw new Error("The transaction is not open any more.");
  return Math.round(row.age);
}

/** Moves money to and fro until the signal aborts; gives how often. */
async function move(
  bed: HistoryBed,
  wallets: readonly string[],
  over: AbortSignal,
): Promise<number> {
  let count = 0;
  const mover = async (number: number): Promise<void> => {
    for (let turn = number; !over.aborted; turn += movers) {
      const fromWalletId = wallets[turn % wallets.length] ?? "";
      const toWalletId = wallets[(turn + 1) % wallets.length] ?? "";
      await bed.wallets.transfer({ fromWalletId, toWalletId, amount: "0.0001" });
      count += 1;
      await pause(pauseMs);
    }
  };
  await Promise.all(Array.from({ length: movers }, (_, number) => mover(number)));
  return count;
}

/** Reads what was just written, again and again; gives after how many milliseconds it was there. */
async function measureLags(
  bed: HistoryBed,
  histories: readonly History[],
  walletId: string,
  over: AbortSignal,
): Promise<number[][]> {
  const lags: number[][] = histories.map(() => []);
  while (!over.aborted) {
    const { receipt } = await bed.wallets.fundWallet({ walletId, amount: "1" });
    const minPosition = receipt?.position ?? 0n;
    const startMs = performance.now();
    await Promise.all(
      histories.map(async (history, index) => {
        await history.getBalanceAt({ walletId, minPosition });
        lags[index]?.push(performance.now() - startMs);
      }),
    );
    await pause(pauseMs);
  }
  return lags;
}

/** The figures of the run's first, second and last third: does it grow? */
function thirdsOf(lags: readonly number[]): Record<string, number>[] {
  const third = Math.ceil(lags.length / 3);
  return [0, 1, 2].map((index) => figuresOf(lags.slice(index * third, (index + 1) * third)));
}

function figuresOf(lags: readonly number[]): Record<string, number> {
  const sorted = lags.toSorted((one, other) => one - other);
  const at = (share: number): number => Math.round(sorted[Math.floor(share * sorted.length)] ?? 0);
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: Math.round(sorted.at(-1) ?? 0) };
}

/** Complete, without a finding, and equal to the wallet-service. */
async function expectWhole(history: History, position: bigint): Promise<void> {
  const completeTo = async (): Promise<bigint> => (await history.getCompleteness({})).completeTo;
  await expect.poll(completeTo, { timeout: catchUpMs }).toBe(position);
  for await (const message of history.verifyJournal({})) expect(message.findingCount).toBe(0n);
  for await (const { result } of history.reconcile({})) {
    expect(result.value).toMatchObject({ differenceCount: 0n });
  }
}

await describeOverKafka("transactions that somebody left open", (cluster) => {
  test("neither the relay nor the feed nor history waits for them, in whichever database they are", async () => {
    const durationMs = inject("openTransactionsMs");
    await using elsewhere = await createTestDatabase();
    await using fedDatabase = await createTestDatabase();
    await using bed = await startHistoryBed({ kafka: cluster.settings() });
    const { walletGrpcPort } = bed;
    await using fed = await startHistory(fedDatabase, { walletGrpcPort });
    await using fedTransport = transportTo(fed.grpcPort);
    const histories = { kafka: bed.history, feed: createClient(HistoryService, fedTransport) };
    const databases = [bed.walletDatabase, bed.historyDatabase, fedDatabase, elsewhere];
    await using open = await leaveOpen(databases);
    const wallets: string[] = [];
    for (let index = 0; index < walletCount; index += 1) {
      const { wallet } = await bed.wallets.createWallet({ userId: `user-${index}` });
      await bed.wallets.fundWallet({ walletId: wallet?.id ?? "", amount: "1000" });
      wallets.push(wallet?.id ?? "");
    }
    const over = AbortSignal.timeout(durationMs);
    const [transfers, lags] = await Promise.all([
      move(bed, wallets, over),
      measureLags(bed, Object.values(histories), wallets[0] ?? "", over),
    ]);
    const { receipt } = await bed.wallets.fundWallet({ walletId: wallets[0] ?? "", amount: "1" });
    for (const history of Object.values(histories)) {
      await expectWhole(history, receipt?.position ?? 0n);
    }
    const agesMs = await open.readAgesMs();
    for (const ageMs of agesMs) expect(ageMs).toBeGreaterThanOrEqual(durationMs);
    const lagMs = Object.keys(histories).map((name, index) => [name, thirdsOf(lags[index] ?? [])]);
    const report = { agesMs, transfers, lagMs: Object.fromEntries(lagMs) };
    process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
    for (const lag of lags.flat()) expect(lag).toBeLessThan(lagMsMax);
  });
});
