import { rm } from "node:fs/promises";
import path from "node:path";
import { type EmbeddedKafka, startEmbeddedKafka } from "@pelikuni/local/embedded-kafka";
import { KafkaUnavailable } from "@pelikuni/local/kafka-distribution";
import { kafkaSchema, type UsedKafka } from "@pelikuni/runtime/kafka";
import type { Logger } from "@pelikuni/runtime/logger";
import { buildWithResources, type ResourceStack } from "@pelikuni/runtime/resource-stack";
import type { PartResult } from "./report.ts";
import { projectDirectory } from "./server-process.ts";

const replication = 1;

/**
 * Starts an embedded Kafka; disposing the resources stops it and removes its data.
 *
 * @param name of its directory; one of each may run at a time
 * @param port TCP port on the loopback interface; 0: a free one
 * @throws KafkaUnavailable without Java or Maven
 */
export async function startKafka(
  name: string,
  logger: Logger,
  resources: ResourceStack,
  port = 0,
): Promise<EmbeddedKafka> {
  const directory = path.join(projectDirectory, ".pelikuni", name);
  resources.use({ [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) });
  return resources.use(await startEmbeddedKafka({ directory, port, logger }));
}

/** Measures a part that needs Kafka; without one, its result says why there is none. */
export async function withKafka(
  part: string,
  logger: Logger,
  measure: (kafka: EmbeddedKafka) => Promise<PartResult>,
): Promise<PartResult> {
  try {
    return await buildWithResources(async (resources) => {
      const result = await measure(await startKafka("bench-kafka", logger, resources));
      await resources[Symbol.asyncDispose]();
      return result;
    });
  } catch (error) {
    if (!(error instanceof KafkaUnavailable)) throw error;
    return { part, rows: [], notes: [`Not measured. ${error.message}.`] };
  }
}

/** The settings of a topic on brokers that hold each message once. */
export function kafkaSettings(brokers: string[], topic: string): UsedKafka {
  return { ...kafkaSchema.parse({ replication_factor: replication }), brokers, topic };
}

/** The same settings, for a service's environment. */
export function kafkaEnvironment(brokers: string[], topic: string): Record<string, string> {
  return {
    APP__KAFKA__BROKERS: brokers.join(","),
    APP__KAFKA__TOPIC: topic,
    APP__KAFKA__REPLICATION_FACTOR: String(replication),
  };
}
