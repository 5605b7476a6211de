import type { EmbeddedKafka } from "@pelikuni/local/embedded-kafka";
import { KafkaUnavailable } from "@pelikuni/local/kafka-distribution";
import { buildWithResources, type ResourceStack } from "@pelikuni/runtime/resource-stack";
import { startKafka } from "./bench-kafka.ts";
import { createLagSide, type LagSide, pacedPerSecond } from "./history-lag.ts";
import { type Backlog, createBacklog, type StoringSides } from "./history-storing.ts";
import { type Run, spreadOf } from "./measurement.ts";
import type { PartOptions } from "./part.ts";
import { type PartResult, type ResultRow, ratioOf, rowOf } from "./report.ts";
import { runInTurn } from "./rounds.ts";

const lagP99MsMax = 500;
const storedPerSecondMin = 10_000;

/** Measures how soon history has what callers were told, and how fast it takes in a backlog. */
export async function measureHistory(options: PartOptions): Promise<PartResult> {
  return await buildWithResources(async (resources) => {
    const kafka = await findKafka(options, resources);
    const brokers = kafka instanceof KafkaUnavailable ? undefined : kafka;
    const lag = await measureLag(brokers, options);
    const { events, rows } = await measureStoring(brokers, options);
    await resources[Symbol.asyncDispose]();
    return {
      part: "history",
      rows: [...lag, ...rows],
      notes: [
        `Lag: from the answered transfer until history gives its entry, at ${pacedPerSecond} ` +
          "transfers/s that wait for nobody; the figure is what was answered. A process for each " +
          "service; the load and the reader are in another.",
        `Storing: events a second of ${events.toLocaleString("en-US")}, from the moment that a ` +
          "history-service without any serves.",
        "Each wallet's transfers acted once, and every entry was counted.",
        ...(kafka instanceof KafkaUnavailable ? [`Not over Kafka. ${kafka.message}.`] : []),
      ],
    };
  });
}

/** Starts Kafka, or tells why there is none. */
async function findKafka(
  { logger }: PartOptions,
  resources: ResourceStack,
): Promise<EmbeddedKafka | KafkaUnavailable> {
  try {
    return await startKafka("bench-kafka", logger, resources);
  } catch (error) {
    if (error instanceof KafkaUnavailable) return error;
    throw error;
  }
}

async function measureLag(
  kafka: EmbeddedKafka | undefined,
  options: PartOptions,
): Promise<ResultRow[]> {
  const { rounds, signal } = options;
  const progress = (line: string): void => options.progress(`history, lag: ${line}`);
  progress("starting the services");
  return await buildWithResources(async (resources) => {
    const sides: LagSide[] = [await createLagSide("lag, feed", undefined, options, resources)];
    if (kafka) sides.push(await createLagSide("lag, Kafka", kafka.brokers, options, resources));
    const runs = await runInTurn({ sides, rounds, progress, signal });
    for (const { wallets } of sides) await wallets.check();
    await resources[Symbol.asyncDispose]();
    return sides.map(({ name }) => lagRow(name, runs.get(name) ?? []));
  });
}

function lagRow(name: string, runs: readonly Run[]): ResultRow {
  const row = rowOf("uniform", name, runs);
  const met = row.p99Ms !== undefined && row.p99Ms.median < lagP99MsMax;
  return { ...row, target: { name: `p99 below ${lagP99MsMax} ms`, met } };
}

async function measureStoring(
  kafka: EmbeddedKafka | undefined,
  options: PartOptions,
): Promise<{ readonly events: number; readonly rows: ResultRow[] }> {
  const { rounds, signal } = options;
  const progress = (line: string): void => options.progress(`history, storing: ${line}`);
  return await buildWithResources(async (resources) => {
    const backlog = await createBacklog(kafka, options, resources);
    const sources = [backlog.feed, ...(backlog.kafka ? [backlog.kafka] : [])];
    const sides = [
      backlog.plain,
      ...sources.flatMap(({ readAlone, stored }) => [readAlone, stored]),
    ];
    const runs = await runInTurn({ sides, rounds, progress, signal });
    await resources[Symbol.asyncDispose]();
    const { events } = backlog;
    return { events, rows: storingRows(backlog, sources, runs) };
  });
}

function storingRows(
  { plain }: Backlog,
  sources: readonly StoringSides[],
  runs: ReadonlyMap<string, readonly Run[]>,
): ResultRow[] {
  const runsOf = (name: string): readonly Run[] => runs.get(name) ?? [];
  const rows = sources.flatMap(({ readAlone, stored }) => {
    const storedRuns = runsOf(stored.name);
    const ratio = ratioOf(storedRuns, [runsOf(plain.name)], plain.name);
    const readRuns = runsOf(readAlone.name);
    const met = spreadOf(storedRuns.map(({ perSecond }) => perSecond)).median >= storedPerSecondMin;
    const target = { name: `${storedPerSecondMin.toLocaleString("en-US")}/s`, met };
    return [
      rowOf("uniform", readAlone.name, readRuns, ratioOf(readRuns, [storedRuns], stored.name)),
      { ...rowOf("uniform", stored.name, storedRuns, ratio), target },
    ];
  });
  return [rowOf("uniform", plain.name, runsOf(plain.name)), ...rows];
}
