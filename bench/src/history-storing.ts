import { randomUUID } from "node:crypto";
import type { EmbeddedKafka } from "@pelikuni/local/embedded-kafka";
import type { Logger } from "@pelikuni/runtime/logger";
import { buildWithResources, type ResourceStack } from "@pelikuni/runtime/resource-stack";
import { createGrpcTransport } from "@pelikuni/runtime/rpc-transport";
import { readFeed } from "../../history-service/src/feed-source.ts";
import { readTopic } from "../../history-service/src/kafka-source.ts";
import { createWalletEngine } from "../../wallet-service/src/wallet-engine.ts";
import type { BenchDatabase } from "./bench-bed.ts";
import { kafkaEnvironment, kafkaSettings } from "./bench-kafka.ts";
import { rules } from "./bench-rules.ts";
import { awaitPublished, pollUntil, withClient } from "./bench-sql.ts";
import { fillJournal } from "./engine-load.ts";
import { readEvents } from "./history-reader.ts";
import { type Run, walletCount } from "./measurement.ts";
import type { PartOptions } from "./part.ts";
import type { Side } from "./rounds.ts";
import { startHistoryService, startWalletService } from "./server-kinds.ts";

/** A journal whose events history has not seen, and the ways to read and store them. */
export interface Backlog {
  readonly events: number;
  /** A fresh history-service reads and stores all of it; over Kafka only where there is one. */
  readonly feed: StoringSides;
  readonly kafka: StoringSides | undefined;
  /** The same rows by Postgres alone. */
  readonly plain: Side;
}

/** One source of events, with and without history behind it. */
export interface StoringSides {
  readonly stored: Side;
  /** The same reader, which throws away what it reads. */
  readonly readAlone: Side;
}

const backlogMin = 100_000;
const eventsPerInsert = 1_000;
const messageBytesMax = 4_194_304;
const deadlineMs = 10_000;

interface Bed {
  readonly options: PartOptions;
  readonly events: number;
  readonly grpcPort: number;
}

/**
 * Fills a journal, serves it from a process of its own, and publishes it where there is a Kafka.
 *
 * @param resources take what is to be disposed
 */
export async function createBacklog(
  kafka: EmbeddedKafka | undefined,
  options: PartOptions,
  resources: ResourceStack,
): Promise<Backlog> {
  const { bed, logger, signal, progress } = options;
  progress("history: filling the journal");
  const database = await bed.createWalletDatabase("bench_backlog");
  const events = await fill(database, logger);
  const topic = `backlog-${randomUUID()}`;
  const environment = kafka ? kafkaEnvironment(kafka.brokers, topic) : {};
  const service = resources.use(await startWalletService(database, signal, environment));
  const parts = { options, events, grpcPort: service.grpcPort };
  if (kafka) await awaitPublished(database.ownerUrl, topic, events, signal);
  return {
    events,
    feed: feedSides(parts),
    kafka: kafka && kafkaSides(parts, kafka.brokers, topic),
    plain: await createPlainSide(parts),
  };
}

async function fill({ serviceUrl }: BenchDatabase, logger: Logger): Promise<number> {
  return await buildWithResources(async (resources) => {
    const limits = { connectionsMax: 4, cachedWalletsMax: 10_000, queueLengthMax: 10_000, rules };
    const options = { database: { url: serviceUrl }, ...limits, now: Date.now, logger };
    const events = await fillJournal(createWalletEngine(options, resources), backlogMin);
    await resources[Symbol.asyncDispose]();
    return events;
  });
}

function feedSides(parts: Bed): StoringSides {
  const address = `127.0.0.1:${parts.grpcPort}`;
  const environment = { APP__HISTORY_SERVICE__SOURCE: "feed" };
  return {
    stored: {
      name: "history over the feed",
      run: async () => (await catchUp(parts, "bench_stored_feed", environment)).run,
    },
    readAlone: {
      name: "the feed alone",
      run: () =>
        readAlone(parts, (ingestion) => async (stop, onProgress) => {
          const limits = { messageBytesMax, deadlineDefaultMs: deadlineMs };
          await using transport = createGrpcTransport({ address, ...limits });
          await readFeed({ transport, ingestion }, stop, onProgress);
        }),
    },
  };
}

function kafkaSides(parts: Bed, brokers: string[], topic: string): StoringSides {
  const environment = {
    APP__HISTORY_SERVICE__SOURCE: "kafka",
    ...kafkaEnvironment(brokers, topic),
  };
  const { logger } = parts.options;
  return {
    stored: {
      name: "history over Kafka",
      run: async () => (await catchUp(parts, "bench_stored_kafka", environment)).run,
    },
    readAlone: {
      name: "the topic alone",
      run: () =>
        readAlone(parts, (ingestion) => {
          const kafka = kafkaSettings(brokers, topic);
          const source = { kafka, groupId: randomUUID(), ingestion, logger };
          return (stop, onProgress) => readTopic(source, stop, onProgress);
        }),
    },
  };
}

/** From the moment that a history-service with an empty database serves, until it has everything. */
async function catchUp(
  { options, events, grpcPort }: Bed,
  name: string,
  environment: Readonly<Record<string, string>>,
): Promise<{ readonly run: Run; readonly database: BenchDatabase }> {
  const { bed, signal } = options;
  const database = await bed.createDatabase(name);
  await using _service = await startHistoryService(database, signal, {
    APP__HISTORY_SERVICE__WALLET_SERVICE_ADDRESS: `127.0.0.1:${grpcPort}`,
    ...environment,
  });
  const startMs = performance.now();
  await pollUntil(database.ownerUrl, signal, async (sql) => {
    const [row] = await sql<{ completeTo: number }[]>`
      select complete_to::int as "completeTo" from completeness`;
    return row?.completeTo === events;
  });
  const elapsedMs = performance.now() - startMs;
  await requireEntries(database, events);
  return { run: { perSecond: (events / elapsedMs) * 1_000 }, database };
}

/** Each wallet has an entry for its creation and its funding; each transfer made two. */
async function requireEntries({ ownerUrl }: BenchDatabase, events: number): Promise<void> {
  const expected = 2 * walletCount + 2 * (events - 2 * walletCount);
  await withClient(ownerUrl, async (sql) => {
    const [row] = await sql<{ entries: number }[]>`select count(*)::int as entries from entries`;
    if (row?.entries !== expected) {
      throw new Error(`History has ${row?.entries} entries, and ${expected} were made.`);
    }
  });
}

/** From the first call until the last event has been read. */
async function readAlone(
  { events, options }: Bed,
  source: Parameters<typeof readEvents>[0]["source"],
): Promise<Run> {
  const { logger, signal } = options;
  const startMs = performance.now();
  let count = 0;
  let elapsedMs = 0;
  const take = (messages: readonly unknown[]): boolean => {
    count += messages.length;
    elapsedMs = performance.now() - startMs;
    return count >= events;
  };
  await readEvents({ source, take, logger, signal });
  return { perSecond: (count / elapsedMs) * 1_000 };
}

/**
 * Copies all rows of a history that is complete, inside Postgres, into tables of the same shape with
 * the same indexes, as many events a commit as history stores at once.
 */
async function createPlainSide(parts: Bed): Promise<Side> {
  const { options, events } = parts;
  options.progress("history: storing once, for the rows that Postgres copies alone");
  const settings = { APP__HISTORY_SERVICE__SOURCE: "feed" };
  const { ownerUrl } = (await catchUp(parts, "bench_stored", settings)).database;
  return {
    name: "the same rows, by Postgres alone",
    run: () =>
      withClient(ownerUrl, async (sql) => {
        await sql`drop table if exists plain_events, plain_entries`;
        await sql`create table plain_events (like events including all)`;
        await sql`create table plain_entries (like entries including all)`;
        const startMs = performance.now();
        for (let behind = 0; behind < events; behind += eventsPerInsert) {
          const upTo = behind + eventsPerInsert;
          await sql`
            with copied as (
              insert into plain_events
              select * from events where position > ${behind} and position <= ${upTo}
              order by position
            )
            insert into plain_entries
            select * from entries where position > ${behind} and position <= ${upTo}
            order by wallet_id, version`;
        }
        return { perSecond: (events / (performance.now() - startMs)) * 1_000 };
      }),
  };
}
