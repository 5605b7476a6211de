import type { UsedKafka } from "@pelikuni/runtime/kafka";
import kafkajs, {
  type Admin,
  type DescribeConfigResponse,
  type ITopicConfig,
  type Kafka,
} from "kafkajs";
import type { Logger } from "pino";

const forEver = "-1";

/** The topics that events are published to. */
export function topicsOf({ topic, json_topic }: UsedKafka): string[] {
  return json_topic === undefined ? [topic] : [topic, json_topic];
}

/** Creates the topics that are missing. One that exists stays as it is. */
export async function createMissingTopics(kafka: Kafka, configuration: UsedKafka): Promise<void> {
  await withAdmin(kafka, async (admin) => {
    const existing = await admin.listTopics();
    const missing = topicsOf(configuration).filter((topic) => !existing.includes(topic));
    if (missing.length === 0) return;
    await admin.createTopics({ topics: missing.map((topic) => newTopic(topic, configuration)) });
  });
}

/**
 * Makes the check of topics that exist: whoever reads them needs every event, so a topic from which
 * brokers remove events earlier than configured is logged, once.
 */
export function createRetentionCheck(
  kafka: Kafka,
  configuration: UsedKafka,
  logger: Logger,
): () => Promise<void> {
  let done = false;
  return async () => {
    if (done) return;
    const limited = await withAdmin(kafka, async (admin) => {
      const existing = await admin.listTopics();
      const topics = topicsOf(configuration).filter((topic) => existing.includes(topic));
      return await findLimited(admin, topics, configuration.retention_ms, logger);
    });
    done = true;
    for (const { topic, limits } of limited) {
      logger.warn(
        { topic, ...limits },
        "Brokers remove events from this topic: it cannot be verified from its beginning, nor " +
          "fill a new history. Its settings retention.ms and cleanup.policy are left as they are",
      );
    }
  };
}

interface LimitedTopic {
  readonly topic: string;
  /** The settings of the topic that do not keep every event, by Kafka's names. */
  readonly limits: Readonly<Record<string, string>>;
}

async function findLimited(
  admin: Admin,
  topics: readonly string[],
  wantedMs: number,
  logger: Logger,
): Promise<LimitedTopic[]> {
  if (topics.length === 0) return [];
  const configNames = ["retention.ms", "retention.bytes", "cleanup.policy"];
  // Node does not see this one among the library's named exports.
  const type = kafkajs.ConfigResourceTypes.TOPIC;
  try {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: topics.map((name) => ({ type, name, configNames })),
    });
    return resources
      .map((resource) => ({ topic: resource.resourceName, limits: limitsOf(resource, wantedMs) }))
      .filter(({ limits }) => Object.keys(limits).length > 0);
  } catch (error) {
    // Publishing needs no right to describe a topic.
    logger.debug({ error }, "It is not known how long the topics keep their events");
    return [];
  }
}

function limitsOf(
  { configEntries }: DescribeConfigResponse["resources"][number],
  wantedMs: number,
): Record<string, string> {
  const isLimit = ({ configName: name, configValue: value }: (typeof configEntries)[number]) => {
    if (name === "cleanup.policy") return value.includes("compact");
    if (value === forEver) return false;
    return name === "retention.bytes" || wantedMs < 0 || Number(value) < wantedMs;
  };
  return Object.fromEntries(
    configEntries.filter(isLimit).map(({ configName, configValue }) => [configName, configValue]),
  );
}

function newTopic(topic: string, configuration: UsedKafka): ITopicConfig {
  const { partitions, replication_factor: replicationFactor, retention_ms } = configuration;
  const settings = {
    // With acks=all an event survives the loss of a broker only when more than one must have it.
    "min.insync.replicas": Math.max(1, replicationFactor - 1),
    // Whatever brokers do with topics otherwise, these lose events by their age alone, if at all.
    "cleanup.policy": "delete",
    "retention.bytes": forEver,
    "retention.ms": retention_ms,
  };
  return {
    topic,
    numPartitions: partitions,
    replicationFactor,
    configEntries: Object.entries(settings).map(([name, value]) => ({
      name,
      value: String(value),
    })),
  };
}

async function withAdmin<T>(kafka: Kafka, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafka.admin();
  try {
    await admin.connect();
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}
