import { randomInt } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { type Client, createClient } from "@connectrpc/connect";
import { HistoryService } from "@pelikuni/gen/history/v1/history_service_pb";
import { type EmbeddedKafka, startEmbeddedKafka } from "@pelikuni/local/embedded-kafka";
import { createKafka, type UsedKafka } from "@pelikuni/runtime/kafka";
import { createLogger } from "@pelikuni/runtime/logger";
import postgres from "postgres";
import { expect, inject, test } from "vitest";
import { auditHistory } from "../src/history-audit.ts";
import { transportTo } from "../src/history-bed.ts";
import { chooseLastingPort } from "../src/lasting-port.ts";
import { createReplicaBed, type ReplicaBed } from "../src/replica-bed.ts";
import { runOnReplicas } from "../src/replica-run.ts";
import { type ServiceOptions, type ServiceProcess, startService } from "../src/service-process.ts";
import { createTestDatabase } from "../src/test-database.ts";
import { createTestDirectory } from "../src/test-directory.ts";
import { describeWithOwnKafka, singleNodeSettings } from "../src/test-kafka.ts";

const quiet = createLogger("test", { level: "silent", format: "json" });
const replicas = 2;
const seedsBelow = 1_000_000;
const leading = "info: This replica publishes the journal";
// What gRPC says by itself when the process behind a connection is gone: the outcome is unknown.
const faultsAllowed = new Set(["Unavailable/"]);
// A consumer that died without a word keeps its partitions for half a minute.
const catchUpMs = 120_000;
const pollMs = 100;

await describeWithOwnKafka("relay, Kafka and history disturbed in turn under load", () => {
  test("history has every change once, and the poison is parked", async () => {
    const durationMs = inject("chaosRunMs");
    const seed = randomInt(seedsBelow);
    await using kafka = await startKafka();
    await using bed = await createReplicaBed(replicas, { kafka: kafka.settings });
    await using history = await startHistoryProcess(bed, kafka.settings);
    const share = durationMs / 12;
    const { findings, audit } = await runOnReplicas(bed, {
      durationMs,
      sharedWallets: 100,
      seed,
      faultsAllowed,
      disturb: async () => {
        await pause(share);
        await killRelay(bed);
        await pause(share);
        await kafka.stopFor(durationMs / 4);
        await pause(share);
        await history.killAndRestart();
        await pause(share);
        await sendPoison(kafka.settings);
        await killRelay(bed);
        await pause(share);
        await history.killAndRestart();
      },
    });
    expect(findings, `seed ${seed}`).toEqual([]);
    const last = BigInt(audit.events.length);
    const completeness = () => history.client.getCompleteness({});
    const completeTo = async (): Promise<bigint> => (await completeness()).completeTo;
    await expect.poll(completeTo, { timeout: catchUpMs, interval: pollMs }).toBe(last);
    expect(await auditHistory(history.owner, audit), `seed ${seed}`).toEqual([]);
    const parked = async (): Promise<bigint> => (await completeness()).parkedCount;
    await expect.poll(parked, { timeout: catchUpMs, interval: pollMs }).toBe(1n);
    expect(await completeness()).toMatchObject({ highestPosition: last, stoppedReason: "" });
    await expectVerified(history.client, BigInt(audit.trails.size));
    const sentences = history.processes.flatMap(({ logCounts }) => [...logCounts.keys()]);
    const errors = sentences.filter((each) => /^(crash|error|fatal):/.test(each));
    expect(new Set(errors)).toEqual(new Set(["error: A message was parked."]));
  });
});

/** Nothing is wrong with the chains, and no wallet differs from the wallet-service's. */
async function expectVerified(
  history: Client<typeof HistoryService>,
  walletCount: bigint,
): Promise<void> {
  for await (const message of history.verifyJournal({})) expect(message.findingCount).toBe(0n);
  const results = [];
  for await (const { result } of history.reconcile({})) results.push(result.value);
  expect(results).toEqual([expect.objectContaining({ walletCount, differenceCount: 0n })]);
}

/** Kills the replica that publishes, and waits until one publishes again. */
async function killRelay(bed: ReplicaBed): Promise<void> {
  const leaderOf = (): { number: number; atMs: number } =>
    bed.replicas
      .map((replica, number) => ({ number, atMs: replica.lastLoggedAtMs(leading) ?? 0 }))
      .reduce((one, other) => (other.atMs > one.atMs ? other : one));
  await expect.poll(() => leaderOf().atMs, { timeout: catchUpMs }).toBeGreaterThan(0);
  const killedAtMs = performance.now();
  await bed.killAndRestart(leaderOf().number);
  await expect
    .poll(() => leaderOf().atMs, { timeout: catchUpMs, interval: pollMs })
    .toBeGreaterThan(killedAtMs);
}

async function sendPoison(kafka: UsedKafka): Promise<void> {
  const producer = createKafka(kafka, quiet).producer();
  await producer.connect();
  const headers = { position: "7" };
  await producer.send({ topic: kafka.topic, messages: [{ value: "poison", headers }] });
  await producer.disconnect();
}

/** A Kafka that comes back where it was. */
async function startKafka(): Promise<
  AsyncDisposable & {
    readonly settings: UsedKafka;
    readonly stopFor: (ms: number) => Promise<void>;
  }
> {
  const port = await chooseLastingPort();
  const directory = await createTestDirectory();
  const start = (): Promise<EmbeddedKafka> =>
    startEmbeddedKafka({ directory, port, logger: quiet });
  let broker = await start();
  return {
    settings: singleNodeSettings(broker.brokers, "wallet-events", { partitions: 4 }),
    async stopFor(ms) {
      await broker[Symbol.asyncDispose]();
      await pause(ms);
      broker = await start();
    },
    [Symbol.asyncDispose]: () => broker[Symbol.asyncDispose](),
  };
}

/** A history-service in a process of its own, on a database of its own. */
async function startHistoryProcess(
  bed: ReplicaBed,
  kafka: UsedKafka,
): Promise<
  AsyncDisposable & {
    readonly client: Client<typeof HistoryService>;
    readonly owner: postgres.Sql<{ bigint: bigint }>;
    /** The one that runs, and those that were killed. */
    readonly processes: readonly ServiceProcess[];
    readonly killAndRestart: () => Promise<void>;
  }
> {
  const database = await createTestDatabase();
  const owner = postgres(database.ownerUrl, { max: 1, types: { bigint: postgres.BigInt } });
  const walletGrpcPort = bed.replicas[0]?.grpcPort;
  if (walletGrpcPort === undefined) throw new Error("There is no replica.");
  const options: ServiceOptions = {
    name: "history-service",
    databaseUrl: database.serviceUrl,
    migrationUrl: database.ownerUrl,
    kafka,
    walletGrpcPort,
  };
  let service: ServiceProcess = await startService(options);
  const processes = [service];
  const { grpcPort } = service;
  const transport = transportTo(grpcPort);
  return {
    client: createClient(HistoryService, transport),
    owner,
    processes,
    async killAndRestart() {
      await service.kill();
      service = await startService({ ...options, grpcPort });
      processes.push(service);
    },
    async [Symbol.asyncDispose]() {
      await transport[Symbol.asyncDispose]();
      await service[Symbol.asyncDispose]();
      await owner.end({ timeout: 1 });
      await database[Symbol.asyncDispose]();
    },
  };
}
