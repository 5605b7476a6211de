import { Kafka, type LogEntry, logLevel, type SASLOptions } from "kafkajs";
import { z } from "zod";
import { clientTlsSchema, connectionTls, openClientTls } from "./certificates.ts";
import type { Logger } from "./logger.ts";

const retentionMsMin = 60_000;
const topicName = z.string().regex(/^[A-Za-z0-9._-]{1,249}$/);

/** The configuration section `kafka`, which every service that uses Kafka reads. */
export const kafkaSchema = z.strictObject({
  /** Where to find the cluster, "host:port" each; left out: no Kafka is used. */
  brokers: z
    .array(z.string().regex(/^[^\s,/]+:\d{1,5}$/, "must be host:port"))
    .min(1)
    .optional(),
  /** How the brokers' logs and quotas name us. */
  client_id: z.string().min(1).default("pelikuni"),
  tls: clientTlsSchema,
  /** Logging in; left out: without. */
  sasl: z
    .strictObject({
      mechanism: z.enum(["plain", "scram-sha-256", "scram-sha-512"]),
      username: z.string().min(1),
      password: z.string().min(1),
    })
    .optional(),
  /** The topic of WalletEvents. */
  topic: topicName.default("wallet-events"),
  /** The topic of the earlier version's JSON events; left out: none. */
  json_topic: topicName.optional(),
  /** What a missing topic is created with; a topic that exists stays as it is. */
  partitions: z.int().min(1).max(10_000).default(6),
  replication_factor: z.int().min(1).max(100).default(3),
  /** How long a created topic keeps its events; -1: for ever. */
  retention_ms: z
    .int()
    .refine((ms) => ms === -1 || ms >= retentionMsMin, `must be -1 or at least ${retentionMsMin}`)
    .default(-1),
  connect_timeout_ms: z.int().min(100).max(60_000).default(2_000),
  /** How long a broker may take to answer. */
  request_timeout_ms: z.int().min(1_000).max(300_000).default(5_000),
});

/** The parsed section `kafka`. */
export type KafkaConfiguration = z.output<typeof kafkaSchema>;

/** The section of a service that uses Kafka. */
export type UsedKafka = KafkaConfiguration & { readonly brokers: string[] };

const retryFirstMs = 100;
const retryMaxMs = 1_000;
const retriesMax = 5;
const authenticationTimeoutMs = 10_000;

/**
 * Creates a client of the cluster; it connects nothing yet. What fails is thrown to the caller, who
 * logs it: the library's own lines, which tell every attempt, are logged as debug and trace.
 *
 * @throws OperatorError when a file of the TLS settings cannot be read
 */
export function createKafka(configuration: UsedKafka, logger: Logger): Kafka {
  const { sasl } = configuration;
  const tls = openClientTls(configuration.tls, "kafka.tls", logger);
  return new Kafka({
    brokers: configuration.brokers,
    clientId: configuration.client_id,
    // The library copies what it is given for each connection.
    ssl: tls !== undefined && connectionTls(tls),
    ...(sasl === undefined ? {} : { sasl: saslOptions(sasl) }),
    connectionTimeout: configuration.connect_timeout_ms,
    authenticationTimeout: authenticationTimeoutMs,
    requestTimeout: configuration.request_timeout_ms,
    retry: { initialRetryTime: retryFirstMs, maxRetryTime: retryMaxMs, retries: retriesMax },
    logLevel: logger.isLevelEnabled("trace") ? logLevel.DEBUG : logLevel.INFO,
    logCreator: () => (entry) => writeLog(logger, entry),
  });
}

// Each mechanism has a type of its own there, though all of them look the same.
function saslOptions(sasl: NonNullable<KafkaConfiguration["sasl"]>): SASLOptions {
  const { mechanism, username, password } = sasl;
  if (mechanism === "plain") return { mechanism, username, password };
  if (mechanism === "scram-sha-256") return { mechanism, username, password };
  return { mechanism, username, password };
}

function writeLog(logger: Logger, { namespace, level, log }: LogEntry): void {
  const { timestamp: _, logger: __, message, ...details } = log;
  logger[level === logLevel.DEBUG ? "trace" : "debug"]({ namespace, ...details }, message);
}
