import { createKafka, type UsedKafka } from "@pelikuni/runtime/kafka";
import { createLogger } from "@pelikuni/runtime/logger";
import { type Admin, ConfigResourceTypes, type ITopicConfig } from "kafkajs";
import { expect, test } from "vitest";
import { describeOverKafka } from "../../e2e/src/test-kafka.ts";
import { createMissingTopics, createRetentionCheck } from "../src/event-topics.ts";
import { startJournalRelay } from "../src/journal-relay.ts";
import { createWallets } from "./relay-bed.ts";
import { createEngineBed, quiet } from "./test-engine.ts";

const type = ConfigResourceTypes.TOPIC;
const weekMs = "604800000";
const keepsEverything = {
  "retention.ms": "-1",
  "retention.bytes": "-1",
  "cleanup.policy": "delete",
};

async function withAdmin<T>(kafka: UsedKafka, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = createKafka(kafka, quiet).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

/** What the broker says of how long a topic keeps its messages. */
async function readRetention(kafka: UsedKafka, topic: string): Promise<Record<string, string>> {
  const configNames = Object.keys(keepsEverything);
  const resources = [{ type, name: topic, configNames }];
  const described = await withAdmin(kafka, (admin) =>
    admin.describeConfigs({ includeSynonyms: false, resources }),
  );
  const entries = described.resources[0]?.configEntries ?? [];
  return Object.fromEntries(
    entries.map(({ configName, configValue }) => [configName, configValue]),
  );
}

async function createTopic(kafka: UsedKafka, topic: ITopicConfig): Promise<void> {
  await withAdmin(kafka, (admin) => admin.createTopics({ topics: [topic] }));
}

interface LogLine {
  readonly topic?: string;
  readonly msg: string;
}

function createLog(): { readonly lines: LogLine[]; readonly logger: typeof quiet } {
  const lines: LogLine[] = [];
  const sink = { write: (line: string) => void lines.push(JSON.parse(line)) };
  return { lines, logger: createLogger("test", { level: "warn", format: "json" }, sink) };
}

await describeOverKafka("the topics of events", (cluster) => {
  test("a topic that is created keeps every event for ever, and the JSON topic likewise", async () => {
    const kafka = cluster.settings({ json_topic: cluster.newTopicName() });
    await createMissingTopics(createKafka(kafka, quiet), kafka);
    expect(await readRetention(kafka, kafka.topic)).toEqual(keepsEverything);
    expect(await readRetention(kafka, kafka.json_topic ?? "")).toEqual(keepsEverything);
  });

  test("a topic is created with the configured retention, about which nothing is logged", async () => {
    const kafka = cluster.settings({ retention_ms: 3_600_000 });
    const client = createKafka(kafka, quiet);
    await createMissingTopics(client, kafka);
    const kept = { ...keepsEverything, "retention.ms": "3600000" };
    expect(await readRetention(kafka, kafka.topic)).toEqual(kept);
    const { lines, logger } = createLog();
    await createRetentionCheck(client, kafka, logger)();
    expect(lines).toEqual([]);
  });

  test.for([
    { name: "retention.ms", value: "7200000" },
    { name: "retention.bytes", value: "1073741824" },
    { name: "cleanup.policy", value: "compact,delete" },
  ])("a topic that exists with $name $value stays so, and is warned of once", async (entry) => {
    const kafka = cluster.settings();
    const settings = Object.entries({ "retention.ms": "-1", [entry.name]: entry.value });
    const configEntries = settings.map(([name, value]) => ({ name, value }));
    await createTopic(kafka, { topic: kafka.topic, configEntries });
    const before = await readRetention(kafka, kafka.topic);
    const client = createKafka(kafka, quiet);
    const { lines, logger } = createLog();
    const check = createRetentionCheck(client, kafka, logger);
    for (let times = 0; times < 2; times += 1) {
      await check();
      await createMissingTopics(client, kafka);
    }
    expect(lines).toMatchObject([{ topic: kafka.topic, [entry.name]: entry.value }]);
    expect(await readRetention(kafka, kafka.topic)).toEqual(before);
  });

  test("a relay names the topic with Kafka's own retention, and publishes there", async () => {
    const kafka = cluster.settings({ json_topic: cluster.newTopicName() });
    await createTopic(kafka, { topic: kafka.topic });
    await using bed = await createEngineBed();
    const engine = bed.replica();
    const { lines, logger } = createLog();
    await using relay = startJournalRelay({ ...engine, kafka, logger });
    await createWallets(engine, 1);
    await expect.poll(() => relay.readLag(), { timeout: 30_000 }).toBe(0n);
    expect(lines).toMatchObject([{ topic: kafka.topic, "retention.ms": weekMs }]);
  });
});
