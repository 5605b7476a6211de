import { randomUUID } from "node:crypto";
import { chooseFreePort } from "@pelikuni/local/free-port";
import { buildWithResources, type ResourceStack } from "@pelikuni/runtime/resource-stack";
import { readTopic } from "../../history-service/src/kafka-source.ts";
import { kafkaEnvironment, kafkaSettings, startKafka, withKafka } from "./bench-kafka.ts";
import { awaitPublished } from "./bench-sql.ts";
import { runInChild } from "./child-run.ts";
import { readEvents } from "./history-reader.ts";
import type { LoadTask } from "./load.ts";
import { countTotals } from "./money-check.ts";
import type { PartOptions } from "./part.ts";
import { type PartResult, ratioOf, rowOf } from "./report.ts";
import { runInTurn, type Side } from "./rounds.ts";
import { createServedWallets, type ServedWallets } from "./served-wallets.ts";
import { startWalletService } from "./server-kinds.ts";

const callers = 64;
const noneSide = "no Kafka configured";
const reachableSide = "Kafka there";
const awaySide = "Kafka away";

/** Measures transfers while Kafka is away, and what becomes of their events when it comes. */
export async function measureOutage(options: PartOptions): Promise<PartResult> {
  return await withKafka("outage", options.logger, async ({ brokers }) => {
    return await buildWithResources(async (resources) => {
      const result = await compare(brokers, options, resources);
      await resources[Symbol.asyncDispose]();
      return result;
    });
  });
}

interface OutageSide extends Side {
  readonly wallets: ServedWallets;
  /** Of the service's database, as its owner. */
  readonly ownerUrl: string;
}

async function compare(
  reachable: string[],
  options: PartOptions,
  resources: ResourceStack,
): Promise<PartResult> {
  const { rounds, signal, logger } = options;
  const progress = (line: string): void => options.progress(`outage: ${line}`);
  progress("starting three wallet-services");
  const port = await chooseFreePort();
  const topic = `outage-${randomUUID()}`;
  const away = [`127.0.0.1:${port}`];
  const start = (name: string, database: string, brokers?: string[]): Promise<OutageSide> =>
    createSide(
      { name, database, environment: brokers ? kafkaEnvironment(brokers, topic) : {} },
      options,
      resources,
    );
  const none = await start(noneSide, "bench_outage_none");
  const there = await start(reachableSide, "bench_outage_there", reachable);
  const gone = await start(awaySide, "bench_outage_away", away);
  const sides = [none, there, gone];
  const runs = await runInTurn({ sides, rounds, progress, signal });
  for (const { wallets } of sides) await wallets.check();
  progress("Kafka comes");
  const comesMs = performance.now();
  await startKafka("bench-kafka-away", logger, resources, port);
  const { events } = await countTotals(gone.ownerUrl);
  await awaitPublished(gone.ownerUrl, topic, events, signal);
  const seconds = (performance.now() - comesMs) / 1_000;
  await requirePublished(away, topic, events, options);
  const noneRuns = runs.get(noneSide) ?? [];
  const rows = [there, gone].map(({ name }) => {
    const own = runs.get(name) ?? [];
    return rowOf("uniform", name, own, ratioOf(own, [noneRuns], noneSide));
  });
  return {
    part: "outage",
    rows: [rowOf("uniform", noneSide, noneRuns), ...rows],
    notes: [
      `Transfers over gRPC, ${callers} callers, of three wallet-services that differ in Kafka alone. ` +
        `Of "${awaySide}" it does not listen before all runs have ended.`,
      `Then it was started, and ${seconds.toFixed(1)} s later all ${events.toLocaleString("en-US")} ` +
        "events of that journal were published: each position was read from the topic.",
      "Money conserved, and each acknowledged transfer acted once.",
    ],
  };
}

async function createSide(
  side: {
    readonly name: string;
    readonly database: string;
    readonly environment: Readonly<Record<string, string>>;
  },
  { bed, signal, durationMs }: PartOptions,
  resources: ResourceStack,
): Promise<OutageSide> {
  const database = await bed.createWalletDatabase(side.database);
  const service = await startWalletService(database, signal, side.environment);
  const { grpcPort } = resources.use(service);
  const wallets = resources.use(await createServedWallets(grpcPort));
  const task = { port: grpcPort, walletIds: [...wallets.ids], callers, durationMs };
  return {
    name: side.name,
    ownerUrl: database.ownerUrl,
    wallets,
    run: async () => {
      const run = await runInChild("grpc-load.ts", {
        ...task,
        workload: "uniform",
      } satisfies LoadTask);
      wallets.note(run);
      return run;
    },
  };
}

/**
 * Reads the topic until every position of the journal has come.
 *
 * @throws Error when one does not come, or one that nobody made
 */
async function requirePublished(
  brokers: string[],
  topic: string,
  events: number,
  { logger, signal }: PartOptions,
): Promise<void> {
  const missing = new Set(Array.from({ length: events }, (_, index) => BigInt(index + 1)));
  let unknown = 0;
  await readEvents({
    source: (ingestion) => {
      const kafka = kafkaSettings(brokers, topic);
      const source = { kafka, groupId: randomUUID(), ingestion, logger };
      return (stop, onProgress) => readTopic(source, stop, onProgress);
    },
    take: (messages) => {
      for (const { position = 0n } of messages) {
        if (position < 1n || position > events) unknown += 1;
        missing.delete(position);
      }
      return missing.size === 0;
    },
    logger,
    signal,
  });
  if (unknown > 0) throw new Error(`${unknown} messages on the topic are of no event.`);
}
