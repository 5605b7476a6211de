import { createTestDirectory } from "@pelikuni/e2e/test-directory";
import { describeWithOwnKafka, singleNodeSettings } from "@pelikuni/e2e/test-kafka";
import { startEmbeddedKafka } from "@pelikuni/local/embedded-kafka";
import { createKafka } from "@pelikuni/runtime/kafka";
import { createLogger } from "@pelikuni/runtime/logger";
import { expect, test } from "vitest";
import { type EventSourceOptions, startEventSource } from "../src/event-source.ts";
import { readTopic } from "../src/kafka-source.ts";
import { createSourceHealth } from "../src/source-health.ts";
import { createHistoryBed } from "./test-history.ts";

const quiet = createLogger("test", { level: "silent", format: "json" });
// A fresh Kafka loads groups for a moment: of so many, some mostly come too early.
const groupIds = Array.from({ length: 8 }, (_, index) => `group-${index}`);

await describeWithOwnKafka("a Kafka that has just started", () => {
  test("groups that come before it knows them are joined soon, and nobody is warned", async () => {
    await using bed = await createHistoryBed();
    await using server = await startEmbeddedKafka({
      directory: await createTestDirectory(),
      logger: quiet,
    });
    const kafka = singleNodeSettings(server.brokers, "wallet-events");
    const admin = createKafka(kafka, quiet).admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: kafka.topic }] });
    await admin.disconnect();
    const logged: string[] = [];
    const write = (line: string): void => void logged.push(line);
    const logger = createLogger("test", { level: "debug", format: "json" }, { write });
    const joined = new Set<string>();
    const join = (groupId: string): AsyncDisposable => {
      const onJoined = (): void => void joined.add(groupId);
      const { ingestion } = bed;
      const parts = { kafka, groupId, ingestion, onJoined, logger: quiet };
      const readOn: EventSourceOptions["readOn"] = (...on) => readTopic(parts, ...on);
      const health = createSourceHealth(Date.now);
      return startEventSource({ readOn, health, logger, random: Math.random });
    };
    const sources = groupIds.map(join);
    try {
      await expect.poll(() => joined.size, { timeout: 30_000 }).toBe(groupIds.length);
    } finally {
      for (const source of sources) await source[Symbol.asyncDispose]();
    }
    expect(logged.filter((line) => line.includes('"level":"warn"'))).toEqual([]);
  });
});
