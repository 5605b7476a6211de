import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { createKafka, type UsedKafka } from "@pelikuni/runtime/kafka";
import type { Logger } from "@pelikuni/runtime/logger";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import { eventMessage } from "../../wallet-service/src/event-message.ts";
import { connectProducer } from "../../wallet-service/src/event-producer.ts";
import { startJournalRelay } from "../../wallet-service/src/journal-relay.ts";
import { readSegmentsBehind } from "../../wallet-service/src/journal-store.ts";
import { createWalletEngine, type WalletEngine } from "../../wallet-service/src/wallet-engine.ts";
import { kafkaSettings, withKafka } from "./bench-kafka.ts";
import { rules } from "./bench-rules.ts";
import { fillJournal } from "./engine-load.ts";
import type { Run } from "./measurement.ts";
import type { PartOptions } from "./part.ts";
import { type PartResult, ratioOf, rowOf } from "./report.ts";
import { runInTurn } from "./rounds.ts";

const backlogMin = 100_000;
const lagPollMs = 10;
const batchEvents = 1_000;
const relaySide = "the relay, a backlog";
const producerSide = "its producer alone";

/** Measures how fast the relay publishes a backlog on Kafka, beside kafkajs without a journal. */
export async function measureRelay(options: PartOptions): Promise<PartResult> {
  return await withKafka("relay", options.logger, async (server) => {
    return await buildWithResources(async (resources) => {
      const { logger } = options;
      const { serviceUrl } = await options.bed.createWalletDatabase("bench_relay");
      const limits = { connectionsMax: 4, cachedWalletsMax: 10_000, queueLengthMax: 10_000, rules };
      const engine = createWalletEngine(
        { database: { url: serviceUrl }, ...limits, now: Date.now, logger },
        resources,
      );
      const result = await compare(engine, server.brokers, options);
      await resources[Symbol.asyncDispose]();
      return result;
    });
  });
}

async function compare(
  engine: WalletEngine,
  brokers: string[],
  options: PartOptions,
): Promise<PartResult> {
  const { rounds, signal, logger } = options;
  const progress = (line: string): void => options.progress(`relay: ${line}`);
  progress("filling the journal");
  const backlog = await fillJournal(engine, backlogMin);
  // Each run has a topic of its own, and with it a cursor that begins at the beginning.
  const settings = (): UsedKafka => kafkaSettings(brokers, `bench-${randomUUID()}`);
  const sides = [
    { name: producerSide, run: () => produce(engine, settings(), backlog, logger) },
    { name: relaySide, run: () => drain(engine, settings(), backlog, logger) },
  ];
  const runs = await runInTurn({ sides, rounds, progress, signal });
  const relayRuns = runs.get(relaySide) ?? [];
  const producerRuns = runs.get(producerSide) ?? [];
  const ratio = ratioOf(relayRuns, [producerRuns], producerSide);
  return {
    part: "relay",
    rows: [
      rowOf("uniform", producerSide, producerRuns),
      rowOf("uniform", relaySide, relayRuns, ratio),
    ],
    notes: [
      `Events a second of ${backlog.toLocaleString("en-US")}, from the journal to Kafka's answer; ` +
        "one broker on this machine.",
    ],
  };
}

async function drain(
  engine: WalletEngine,
  kafka: UsedKafka,
  backlog: number,
  logger: Logger,
): Promise<Run> {
  const startMs = performance.now();
  await using relay = startJournalRelay({ ...engine, kafka, logger });
  while ((await relay.readLag()) > 0n) await delay(lagPollMs);
  return { perSecond: (backlog / (performance.now() - startMs)) * 1_000 };
}

/** Sends the same event again and again. */
async function produce(
  engine: WalletEngine,
  kafka: UsedKafka,
  backlog: number,
  logger: Logger,
): Promise<Run> {
  const [segment] = await engine.pool.read((sql) =>
    readSegmentsBehind(sql, BigInt(Math.floor(backlog / 2)), 1),
  );
  const bytes = segment?.events[0];
  if (bytes === undefined) throw new Error("The journal is empty.");
  const messages = Array.from({ length: batchEvents }, (_, index) => ({
    ...eventMessage({ position: BigInt(index), bytes, journalHash: undefined }),
    key: randomUUID(),
  }));
  await using producer = await connectProducer(createKafka(kafka, logger), kafka);
  const batches = Math.ceil(backlog / batchEvents);
  const startMs = performance.now();
  for (let batch = 0; batch < batches; batch += 1) {
    await producer.send([{ topic: kafka.topic, messages }]);
  }
  return { perSecond: ((batches * batchEvents) / (performance.now() - startMs)) * 1_000 };
}
