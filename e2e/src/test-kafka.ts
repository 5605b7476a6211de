import { randomBytes } from "node:crypto";
import { findKafkaLibraries, KafkaUnavailable } from "@pelikuni/local/kafka-distribution";
import { readTestServers } from "@pelikuni/runtime/configuration";
import { createKafka, kafkaSchema, type UsedKafka } from "@pelikuni/runtime/kafka";
import { createLogger } from "@pelikuni/runtime/logger";
import { afterAll, describe, inject } from "vitest";
import { z } from "zod";

/** The Kafka of this test run. */
export interface TestKafka {
  readonly brokers: string[];
  /** Settings to reach it, with a topic of its own each time. */
  settings(changes?: Partial<UsedKafka>): UsedKafka;
  /** A name that no other topic has; the topic, should it be created, is deleted afterwards. */
  newTopicName(): string;
}

const answerSchema = z.object({
  brokers: z.array(z.string()).optional(),
  unavailable: z.string().optional(),
});

/**
 * Describes tests over real Kafka: the cluster of KAFKA_BROKERS when that variable is set, else one
 * that this test run starts. Without it, and without Java 17 and Maven, the tests are skipped, and
 * the reason is printed; under CI=true they fail.
 *
 * @param define declares the tests
 */
export async function describeOverKafka(
  name: string,
  define: (kafka: TestKafka) => void,
): Promise<void> {
  const response = await fetch(inject("kafkaStarterUrl"));
  if (!response.ok) throw new Error(`Kafka did not start: ${await response.text()}`);
  const { brokers = [], unavailable } = answerSchema.parse(await response.json());
  const hint = `${unavailable}; KAFKA_BROKERS names one to use`;
  describeUnless(unavailable && hint, name, () => define(testKafka(brokers)));
}

/**
 * Describes tests that start a Kafka of their own, by `startEmbeddedKafka`. Without Java 17 and Maven
 * they are skipped in the same way.
 */
export async function describeWithOwnKafka(name: string, define: () => void): Promise<void> {
  const logger = createLogger("test kafka", { level: "info", format: "pretty" });
  const unavailable = await findKafkaLibraries(logger).then(
    () => undefined,
    (error: unknown) => {
      if (error instanceof KafkaUnavailable) return error.message;
      throw error;
    },
  );
  describeUnless(unavailable, name, define);
}

/** Settings to reach a Kafka of one node. */
export function singleNodeSettings(
  brokers: string[],
  topic: string,
  changes: Partial<UsedKafka> = {},
): UsedKafka {
  return { ...kafkaSchema.parse({ replication_factor: 1 }), brokers, topic, ...changes };
}

function describeUnless(unavailable: string | undefined, name: string, define: () => void): void {
  if (unavailable === undefined) {
    describe(name, define);
  } else if (readTestServers().nothingSkipped) {
    throw new Error(`These tests need Kafka: ${unavailable}`);
  } else {
    process.stdout.write(`Skipped: ${name}. ${unavailable}\n`);
    describe.skip(name, define);
  }
}

function testKafka(brokers: string[]): TestKafka {
  const topics: string[] = [];

  function newTopicName(): string {
    const topic = `pelikuni-test-${randomBytes(6).toString("hex")}`;
    topics.push(topic);
    return topic;
  }

  afterAll(() => deleteTopics(brokers, topics));
  return {
    brokers,
    newTopicName,
    settings: (changes) => singleNodeSettings(brokers, newTopicName(), changes),
  };
}

async function deleteTopics(brokers: string[], topics: readonly string[]): Promise<void> {
  const logger = createLogger("test kafka", { level: "silent", format: "json" });
  const admin = createKafka({ ...kafkaSchema.parse({}), brokers }, logger).admin();
  await admin.connect();
  try {
    const existing = await admin.listTopics();
    await admin.deleteTopics({ topics: existing.filter((topic) => topics.includes(topic)) });
  } finally {
    await admin.disconnect();
  }
}
