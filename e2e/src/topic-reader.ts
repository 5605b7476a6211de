import { randomBytes } from "node:crypto";
import { createKafka, kafkaSchema } from "@pelikuni/runtime/kafka";
import { createLogger } from "@pelikuni/runtime/logger";

/** A message as it lies on a topic. */
export interface ReadMessage {
  readonly partition: number;
  readonly offset: string;
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** Reads a topic from its beginning, and on. */
export interface TopicReader extends AsyncDisposable {
  /** What has been read so far: in order within each partition. */
  readonly messages: readonly ReadMessage[];
}

/** Starts to read a topic that exists, for itself alone. */
export async function readTopic(brokers: string[], topic: string): Promise<TopicReader> {
  const logger = createLogger("topic reader", { level: "silent", format: "json" });
  const kafka = createKafka({ ...kafkaSchema.parse({}), brokers }, logger);
  const groupId = `pelikuni-test-${randomBytes(6).toString("hex")}`;
  const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 100 });
  const messages: ReadMessage[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ partition, message }) => {
      messages.push({
        partition,
        offset: message.offset,
        key: String(message.key),
        value: message.value ?? Buffer.alloc(0),
        headers: Object.fromEntries(
          Object.entries(message.headers ?? {}).map(([name, value]) => [name, String(value)]),
        ),
      });
    },
  });
  return { messages, [Symbol.asyncDispose]: () => consumer.disconnect() };
}
