import { once } from "node:events";
import { createServer } from "node:http";
import path from "node:path";
import { type EmbeddedKafka, startEmbeddedKafka } from "@pelikuni/local/embedded-kafka";
import { KafkaUnavailable } from "@pelikuni/local/kafka-distribution";
import { readTestServers } from "@pelikuni/runtime/configuration";
import { createLogger } from "@pelikuni/runtime/logger";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  // Vitest's own interface, extended by the value that this setup provides.
  interface ProvidedContext {
    /** Answers a GET with the brokers, or why there are none. */
    kafkaStarterUrl: string;
  }
}

/** What the starter answers: one of the two. */
export interface KafkaStarterAnswer {
  readonly brokers?: string[];
  readonly unavailable?: string;
}

/**
 * Starts one Kafka for the whole test run when the first test asks for it, over HTTP, as tests run
 * in other processes. With KAFKA_BROKERS set, that cluster is used instead.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { kafkaBrokers } = readTestServers();
  const directory = path.join(project.getProvidedContext().runDirectory, "kafka");
  let started: Promise<EmbeddedKafka> | undefined;

  async function answer(): Promise<KafkaStarterAnswer> {
    if (kafkaBrokers !== undefined) return { brokers: kafkaBrokers };
    const logger = createLogger("test kafka", { level: "info", format: "pretty" });
    started ??= startEmbeddedKafka({ directory, logger });
    try {
      return { brokers: (await started).brokers };
    } catch (error) {
      if (error instanceof KafkaUnavailable) return { unavailable: error.message };
      throw error;
    }
  }

  const server = createServer((_, response) => {
    answer()
      .then((content) => response.end(JSON.stringify(content)))
      .catch((error: unknown) => response.writeHead(500).end(String(error)));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : undefined;
  project.provide("kafkaStarterUrl", `http://127.0.0.1:${port}`);
  return async () => {
    server.close();
    server.closeAllConnections();
    // A start that failed has told its tests.
    const kafka = await started?.catch(() => undefined);
    await kafka?.[Symbol.asyncDispose]();
  };
}
