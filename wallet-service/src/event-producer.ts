import type { UsedKafka } from "@pelikuni/runtime/kafka";
import type { Kafka, Message, PartitionerArgs } from "kafkajs";
import { createMissingTopics, topicsOf } from "./event-topics.ts";
import { partitionOf } from "./kafka-partition.ts";

/** Messages for the topics of the configuration. */
export interface TopicMessages {
  readonly topic: string;
  readonly messages: Message[];
}

/** A connection to Kafka for as long as nothing fails. */
export interface EventProducer extends AsyncDisposable {
  /**
   * Sends messages, in order for each key; resolves when all replicas in sync have all of them. After
   * a failure some may be there, and the producer must not be used any more: the broker knows what it
   * has by sequence numbers, and would take other messages under the same numbers for a repetition.
   */
  send(batch: readonly TopicMessages[]): Promise<void>;
}

// The library demands one; whoever uses the producer tries again with a new one.
const retriesMax = 1;
const allReplicas = -1;

/** Connects, and creates the topics that are missing. */
export async function connectProducer(
  kafka: Kafka,
  configuration: UsedKafka,
): Promise<EventProducer> {
  await createMissingTopics(kafka, configuration);
  const unanswered = new Map(topicsOf(configuration).map((topic) => [topic, new Set<number>()]));
  const choose = ({ topic, partitionMetadata, message }: PartitionerArgs): number => {
    const partition = partitionOf(String(message.key), partitionMetadata.length);
    unanswered.get(topic)?.add(partition);
    return partition;
  };
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    retry: { retries: retriesMax },
    createPartitioner: () => choose,
  });
  await producer.connect().catch(async (error: unknown) => {
    await producer.disconnect();
    throw error;
  });
  return {
    async send(batch) {
      const answers = await producer.sendBatch({
        topicMessages: batch.map(({ topic, messages }) => ({ topic, messages })),
        acks: allReplicas,
        timeout: configuration.request_timeout_ms,
      });
      // The library's second try asks no broker that has answered already, and so forgets a partition
      // that meanwhile has moved there.
      for (const { topicName, partition } of answers) unanswered.get(topicName)?.delete(partition);
      for (const [topic, partitions] of unanswered) {
        if (partitions.size === 0) continue;
        throw new Error(`Not acknowledged: partitions ${[...partitions].join()} of ${topic}`);
      }
    },
    [Symbol.asyncDispose]: () => producer.disconnect(),
  };
}
