import { DatabaseUnavailable } from "@pelikuni/runtime/database-fault";
import { createKafka, type UsedKafka } from "@pelikuni/runtime/kafka";
import { pause } from "@pelikuni/runtime/pause";
import kafkajs, { type Consumer, type EachBatchPayload } from "kafkajs";
import type { Logger } from "pino";
import type { EventIngestion } from "./event-ingestion.ts";
import { SourceNotReady } from "./event-source.ts";
import { IngestionStopped } from "./event-store.ts";
import { arrivedMessage } from "./kafka-message.ts";

/** What the source works with. */
export interface KafkaSourceParts {
  readonly kafka: UsedKafka;
  /** The consumer group; its offsets belong to one database of history. */
  readonly groupId: string;
  readonly ingestion: EventIngestion;
  /** Called when the group has given this member its partitions. */
  readonly onJoined?: () => void;
  readonly logger: Logger;
}

const eventsPerBatchMax = 1_000;
// A member that was killed holds its partitions so long. Brokers accept no less than six seconds.
const sessionTimeoutMs = 8_000;
const rebalanceTimeoutMs = 10_000;
const heartbeatIntervalMs = 1_000;
const fetchWaitMsMax = 500;
// Events of all partitions are taken in together: each of them waits for some of the others. So one
// answer of a broker has a little of every partition, rather than much of some.
const partitionsAtOnceMax = 32;
const bytesPerPartitionMax = 256 * 1024;
const databaseRetryMs = 500;

/**
 * Reads the topic into history as a member of a consumer group, until it fails. An offset is
 * committed after the events below it: a crash repeats, never loses.
 *
 * @throws IngestionStopped, DatabaseUnavailable, SourceNotReady, or what kafkajs throws
 */
export async function readTopic(
  { kafka, groupId, ingestion, onJoined, logger }: KafkaSourceParts,
  stop: AbortSignal,
  onProgress: () => void,
): Promise<void> {
  await ingestion.resume();
  const consumer = createKafka(kafka, logger).consumer({
    groupId,
    sessionTimeout: sessionTimeoutMs,
    rebalanceTimeout: rebalanceTimeoutMs,
    heartbeatInterval: heartbeatIntervalMs,
    maxWaitTimeInMs: fetchWaitMsMax,
    maxBytesPerPartition: bytesPerPartitionMax,
    allowAutoTopicCreation: false,
    // A consumer that gave up is replaced by a new one, not revived.
    retry: { restartOnFailure: async () => false },
  });
  if (onJoined !== undefined) consumer.on(consumer.events.GROUP_JOIN, onJoined);
  const end = createEnd(consumer, stop);
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [kafka.topic], fromBeginning: true });
    await consumer.run({
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: partitionsAtOnceMax,
      eachBatch: async (payload) => {
        try {
          await readBatch(payload, ingestion, stop, onProgress);
        } catch (error) {
          // The consumer cannot be stopped from within a batch; meanwhile it must not try again.
          if (error instanceof IngestionStopped) consumer.pause([{ topic: kafka.topic }]);
          if (error instanceof IngestionStopped) return end.fail(error);
          throw error;
        }
      },
    });
    await end.reached;
  } catch (error) {
    if (!isGroupLoading(error)) throw error;
    throw new SourceNotReady("Kafka is still loading the consumer group.", { cause: error });
  } finally {
    end.release();
    await consumer.disconnect();
  }
}

/**
 * Reads a batch of one partition into history, in parts; the offset of a part is resolved once it is
 * in the database.
 *
 * @throws IngestionStopped, or what kafkajs throws
 */
export async function readBatch(
  {
    batch,
    resolveOffset,
    heartbeat,
    isRunning,
    isStale,
  }: Omit<EachBatchPayload, "pause" | "uncommittedOffsets" | "commitOffsetsIfNecessary">,
  ingestion: EventIngestion,
  stop: AbortSignal,
  onProgress: () => void,
): Promise<void> {
  const { topic, partition, messages } = batch;
  let done = 0;
  while (done < messages.length && isRunning() && !isStale() && !stop.aborted) {
    const part = messages.slice(done, done + eventsPerBatchMax);
    try {
      await ingestion.ingest(part.map((message) => arrivedMessage(topic, partition, message)));
      done += part.length;
      resolveOffset(part.at(-1)?.offset ?? "");
      onProgress();
    } catch (error) {
      // A database that is away for a while is no reason to leave the group.
      if (!(error instanceof DatabaseUnavailable)) throw error;
      await pause(databaseRetryMs, stop);
    }
    await heartbeat();
  }
}

/** Whether a broker that has just started, or just got the group, does not know it yet. */
function isGroupLoading(error: unknown): boolean {
  // Node does not see this one among the library's named exports.
  return error instanceof kafkajs.KafkaJSProtocolError && error.type === "GROUP_LOAD_IN_PROGRESS";
}

interface EndOfReading {
  readonly reached: Promise<void>;
  readonly fail: (error: Error) => void;
  /** Forgets whoever may ask for the end. */
  readonly release: () => void;
}

/** The end of reading: asked for, or by a failure that the consumer does not survive. */
function createEnd(consumer: Consumer, stop: AbortSignal): EndOfReading {
  const released = new AbortController();
  let fail: (error: Error) => void = () => undefined;
  const reached = new Promise<void>((resolve, reject) => {
    fail = reject;
    stop.addEventListener("abort", () => resolve(), { signal: released.signal });
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
  });
  // It may fail before anybody waits for it.
  reached.catch(() => undefined);
  return { reached, fail, release: () => released.abort() };
}
