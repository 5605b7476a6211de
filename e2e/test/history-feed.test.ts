import { createClient } from "@connectrpc/connect";
import { HistoryService } from "@pelikuni/gen/history/v1/history_service_pb";
import { createLogger } from "@pelikuni/runtime/logger";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type HistoryBed, startHistory, startHistoryBed, transportTo } from "../src/history-bed.ts";
import { startTcpProxy, type TcpProxy } from "../src/tcp-proxy.ts";
import { createTestDatabase, type TestDatabase } from "../src/test-database.ts";

let bed: HistoryBed;
let wallets: string[];
beforeEach(async () => {
  bed = await startHistoryBed();
  wallets = [];
  for (const userId of ["alice", "bob", "carol"]) {
    const walletId = (await bed.wallets.createWallet({ userId })).wallet?.id ?? "";
    await bed.wallets.fundWallet({ walletId, amount: "1000" });
    wallets.push(walletId);
  }
});
afterEach(async () => {
  await bed[Symbol.asyncDispose]();
});

/** Moves money around, and gives the highest position of it. */
async function move(count: number): Promise<bigint> {
  const at = (index: number): string => wallets[index % wallets.length] ?? "";
  const answers = await Promise.all(
    Array.from({ length: count }, (_, index) =>
      bed.wallets.transfer({ fromWalletId: at(index), toWalletId: at(index + 1), amount: "0.01" }),
    ),
  );
  const positions = answers.map(({ receipt }) => receipt?.position ?? 0n);
  return positions.toSorted((one, other) => Number(one - other)).at(-1) ?? 0n;
}

/** Waits until a history-service is complete to a position, and checks that all of it fits. */
async function expectWhole(
  position: bigint,
  grpcPort = bed.historyGrpcPort,
  timeout = 20_000,
): Promise<void> {
  await using transport = transportTo(grpcPort);
  const history = createClient(HistoryService, transport);
  const completeTo = async (): Promise<bigint> => (await history.getCompleteness({})).completeTo;
  await expect.poll(completeTo, { timeout }).toBe(position);
  expect(await history.getCompleteness({})).toMatchObject({ missing: [], parkedCount: 0n });
  for await (const message of history.verifyJournal({})) expect(message.findingCount).toBe(0n);
  for await (const { result } of history.reconcile({})) {
    expect(result.value).toMatchObject({ walletCount: 3n, differenceCount: 0n });
  }
}

function listeningLogger(): { logger: ReturnType<typeof createLogger>; lines: string[] } {
  const lines: string[] = [];
  const sink = { write: (line: string) => void lines.push(line) };
  return { logger: createLogger("test", { level: "warn", format: "json" }, sink), lines };
}

/** A history of its own, whose way to the wallet-service or to its database can be broken. */
async function startBehindProxies(database: TestDatabase): Promise<{
  grpcPort: number;
  toWallets: TcpProxy;
  toDatabase: TcpProxy;
  [Symbol.asyncDispose]: () => Promise<void>;
}> {
  const url = new URL(database.serviceUrl);
  const toWallets = await startTcpProxy({ host: "127.0.0.1", port: bed.walletGrpcPort });
  const toDatabase = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
  url.hostname = "127.0.0.1";
  url.port = String(toDatabase.port);
  const history = await startHistory(database, {
    walletGrpcPort: toWallets.port,
    databaseUrl: url.href,
  });
  return {
    grpcPort: history.grpcPort,
    toWallets,
    toDatabase,
    async [Symbol.asyncDispose]() {
      await toWallets.setMode("forward");
      await toDatabase.setMode("forward");
      for (const each of [history, toWallets, toDatabase]) await each[Symbol.asyncDispose]();
    },
  };
}

test("a history that was away goes on behind what it has, and a new one begins at the beginning", async () => {
  await expectWhole(await move(50));
  await using database = await createTestDatabase();
  const options = { walletGrpcPort: bed.walletGrpcPort };
  const first = await startHistory(database, options);
  await expectWhole(await move(50), first.grpcPort);
  // While events pour in: what is in flight ends in order.
  const moving = move(300);
  await first[Symbol.asyncDispose]();
  const last = await moving;
  await using second = await startHistory(database, options);
  await expectWhole(last, second.grpcPort);
});

test("replicas on one database read the same events, and each sees what the other stored", async () => {
  const { historyDatabase: database, walletGrpcPort } = bed;
  await using other = await startHistory(database, { walletGrpcPort });
  await using without = await startHistory(database, { walletGrpcPort: 1 });
  const last = await move(300);
  await expectWhole(last);
  await expectWhole(last, other.grpcPort);
  await using transport = transportTo(without.grpcPort);
  // It takes in nothing itself.
  const history = createClient(HistoryService, transport);
  const minPosition = await move(1);
  const answer = await history.listEntries({ walletId: wallets[0] ?? "", minPosition });
  expect(answer.completeTo).toBeGreaterThanOrEqual(minPosition);
});

test("a wallet-service that goes away and comes back is read on, nothing lost and nothing twice", async () => {
  await using database = await createTestDatabase();
  await using history = await startBehindProxies(database);
  for (const mode of ["refuse", "swallow"] as const) {
    await expectWhole(await move(20), history.grpcPort);
    await history.toWallets.setMode(mode);
    const moving = move(50);
    await moving;
    for (let link = 0; link < history.toWallets.connections; link += 1) {
      history.toWallets.cut(link, "both");
    }
    await history.toWallets.setMode("forward");
    for (let link = 0; link < history.toWallets.connections; link += 1) {
      history.toWallets.cut(link, "both");
    }
  }
  await expectWhole(await move(20), history.grpcPort, 30_000);
});

test("connections cut again and again in the middle of the load lose nothing", async () => {
  await using database = await createTestDatabase();
  await using history = await startBehindProxies(database);
  const enough = new AbortController();
  const mover = (async () => {
    let last = 0n;
    while (!enough.signal.aborted) last = await move(20);
    return last;
  })();
  for (let round = 0; round < 20; round += 1) {
    const proxy = round % 2 === 0 ? history.toWallets : history.toDatabase;
    await expect.poll(() => proxy.connections, { timeout: 20_000 }).toBeGreaterThan(0);
    proxy.cut(round, round % 3 === 0 ? "answers" : "both");
  }
  enough.abort();
  await expectWhole(await mover, history.grpcPort, 30_000);
});

test("a database of history that goes away is waited for; readers are told", async () => {
  await using database = await createTestDatabase();
  await using history = await startBehindProxies(database);
  await expectWhole(await move(20), history.grpcPort);
  await using transport = transportTo(history.grpcPort);
  const client = createClient(HistoryService, transport);
  await history.toDatabase.setMode("refuse");
  await expect(client.getCompleteness({})).rejects.toThrow("The database does not answer");
  const last = await move(50);
  await history.toDatabase.setMode("forward");
  await expectWhole(last, history.grpcPort, 30_000);
});

test("a wallet-service with another history is noticed at once, and ingestion stops for good", async () => {
  const known = await move(30);
  await expectWhole(known);
  await using elsewhere = await startHistoryBed();
  const { wallet } = await elsewhere.wallets.createWallet({ userId: "mallory" });
  for (let count = 0; count < known; count += 1) {
    await elsewhere.wallets.fundWallet({ walletId: wallet?.id ?? "", amount: "1" });
  }
  const { logger, lines } = listeningLogger();
  await using replica = await startHistory(bed.historyDatabase, {
    walletGrpcPort: elsewhere.walletGrpcPort,
    logger,
  });
  const stopped = async (): Promise<string> =>
    (await bed.history.getCompleteness({})).stoppedReason;
  await expect
    .poll(stopped, { timeout: 20_000 })
    .toContain(`History has forked: position ${known}`);
  expect(lines.join("")).toContain("HISTORY HAS FORKED");
  await replica[Symbol.asyncDispose]();
  // Neither the replica that runs nor one that starts takes anything in.
  await move(5);
  const { logger: another, lines: told } = listeningLogger();
  await using restarted = await startHistory(bed.historyDatabase, {
    walletGrpcPort: bed.walletGrpcPort,
    logger: another,
  });
  await expect.poll(() => told.join("")).toContain("INGESTION HAS STOPPED");
  expect(restarted.grpcPort).toBeGreaterThan(0);
  expect((await bed.history.getCompleteness({})).highestPosition).toBe(known);
});
