import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { createClient, type Transport } from "@connectrpc/connect";
import { HistoryService as Contract } from "@pelikuni/gen/history/v1/history_service_pb";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { type AuthConfiguration, authSchema } from "@pelikuni/runtime/access/auth-configuration";
import type { FindApiKey } from "@pelikuni/runtime/access/authentication";
import { withCredentials } from "@pelikuni/runtime/access/call-credentials";
import { openClientTls } from "@pelikuni/runtime/certificates";
import type { KafkaConfiguration } from "@pelikuni/runtime/kafka";
import type { Logger } from "@pelikuni/runtime/logger";
import { prepareSchema } from "@pelikuni/runtime/migrations";
import { OperatorError } from "@pelikuni/runtime/operator-error";
import { withPortSetting } from "@pelikuni/runtime/port";
import { createPositionTail } from "@pelikuni/runtime/position-tail";
import { createDatabaseClient, type DatabaseClient } from "@pelikuni/runtime/postgres";
import { buildWithResources, type ResourceStack } from "@pelikuni/runtime/resource-stack";
import { type RpcServer, rpcService, startRpcServer } from "@pelikuni/runtime/rpc-server";
import { createGrpcTransport } from "@pelikuni/runtime/rpc-transport";
import { createApiKeyCheck } from "./api-key-check.ts";
import { createEventIngestion, type EventIngestion } from "./event-ingestion.ts";
import { type EventSourceOptions, startEventSource } from "./event-source.ts";
import { readHistoryId, readProgress } from "./event-store.ts";
import { readFeed } from "./feed-source.ts";
import { startGapHealing } from "./gap-healing.ts";
import { type HistoryRpcParts, historyRpc } from "./history-rpc.ts";
import {
  type HistoryServiceConfiguration,
  historyServiceSchema,
} from "./history-service-configuration.ts";
import { createJournalReader } from "./journal-reader.ts";
import { readTopic } from "./kafka-source.ts";
import { createOwnerAccess } from "./owner-access.ts";
import { createSourceHealth, type SourceHealth } from "./source-health.ts";
import { createWalletWatchers } from "./wallet-watchers.ts";

export { type HistoryServiceConfiguration, historyServiceSchema };

/** A running history-service. Disposing it ends ingestion and what is in flight in order. */
export interface HistoryService extends AsyncDisposable {
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Calls the service inside this process. */
  readonly transport: Transport;
}

/** What the history-service is made of. */
export interface HistoryServiceOptions {
  readonly configuration: HistoryServiceConfiguration;
  /** Who may call; left out: whoever reaches the ports, which must be on this machine. */
  readonly auth?: AuthConfiguration;
  readonly logger: Logger;
  /** Where Kafka is; needed when it is the source. */
  readonly kafka?: KafkaConfiguration;
  /** How to reach the wallet-service; gRPC to the configured address when it is left out. */
  readonly walletTransport?: Transport;
  /** The wall clock, milliseconds since 1970. */
  readonly now?: () => number;
}

const callTimeoutMs = 2_500;
const tailPollIntervalMs = 50;
const walletServiceDeadlineMs = 10_000;
const migrationsDirectory = path.resolve(import.meta.dirname, "../migrations");

/**
 * Starts the history-service: brings the schema up to date where it may, serves, and takes in
 * events.
 */
export async function startHistoryService(options: HistoryServiceOptions): Promise<HistoryService> {
  const { configuration, logger, now = Date.now } = options;
  await prepareSchema(configuration.database, migrationsDirectory, logger);
  return await buildWithResources(async (resources) => {
    const pool = resources.use(
      openClient(options, configuration.database.connections_max, "reads"),
    );
    const writer = resources.use(openClient(options, 1, "ingestion"));
    const readCompleteTo = async (): Promise<bigint> => (await pool.read(readProgress)).completeTo;
    const tail = createPositionTail(readCompleteTo, tailPollIntervalMs);
    const transport = options.walletTransport ?? reachWalletService(options, now, resources);
    const journal = createJournalReader(transport, logger);
    const ingestion = createEventIngestion({ writer, tail, journal, now, logger });
    const source = createSourceHealth(now);
    const wallets = createClient(WalletService, transport);
    const watchers = createWalletWatchers(pool, tail);
    const access = createOwnerAccess(pool, logger);
    const parts = { pool, tail, watchers, access, ingestion, journal, source, wallets, now };
    const { find: findApiKey } = createApiKeyCheck(transport, { now, logger });
    const server = resources.use(await serve(parts, options, findApiKey));
    const readOn = await chooseSource(options, { pool, ingestion, source, transport });
    resources.use(startEventSource({ readOn, health: source, logger, random: Math.random }));
    resources.use(startGapHealing({ pool, journal, ingestion, logger }));
    const { grpcPort, httpPort } = server;
    logger.info({ grpcPort, httpPort, source: configuration.source }, "Serving gRPC and Connect");
    return {
      grpcPort,
      httpPort,
      transport: server.transport,
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

/** @throws OperatorError when Kafka is to be the source, and nothing says where it is */
async function chooseSource(
  { configuration, kafka, logger }: HistoryServiceOptions,
  parts: {
    readonly pool: DatabaseClient;
    readonly ingestion: EventIngestion;
    readonly source: SourceHealth;
    readonly transport: Transport;
  },
): Promise<EventSourceOptions["readOn"]> {
  const { ingestion, transport } = parts;
  if (configuration.source === "feed") {
    return (stop, onProgress) => readFeed({ transport, ingestion }, stop, onProgress);
  }
  if (kafka?.brokers === undefined) {
    throw new OperatorError("history_service.source is kafka, and APP__KAFKA__BROKERS is not set");
  }
  const used = { ...kafka, brokers: kafka.brokers };
  // Offsets say what one database of history holds; another one begins at the beginning.
  const groupId = `${configuration.kafka_group}-${await parts.pool.read(readHistoryId)}`;
  const topic = { kafka: used, groupId, ingestion, onJoined: parts.source.works, logger };
  return (stop, onProgress) => readTopic(topic, stop, onProgress);
}

function openClient(
  { configuration, logger }: HistoryServiceOptions,
  connectionsMax: number,
  use: string,
): DatabaseClient {
  const { url, tls } = configuration.database;
  const applicationName = `pelikuni-history-service ${use}`;
  return createDatabaseClient({
    url,
    tls,
    applicationName,
    connectionsMax,
    callTimeoutMs,
    logger,
  });
}

function reachWalletService(
  { configuration, logger }: HistoryServiceOptions,
  now: () => number,
  resources: ResourceStack,
): Transport {
  const { wallet_service_address: address, limits } = configuration;
  const transport = resources.use(
    createGrpcTransport({
      address,
      tls: openClientTls(configuration.wallet_service_tls, "wallet_service_tls", logger),
      messageBytesMax: limits.messageBytesMax,
      deadlineDefaultMs: walletServiceDeadlineMs,
    }),
  );
  return withCredentials(transport, configuration.wallet_service_credentials, { now, logger });
}

async function serve(
  parts: HistoryRpcParts,
  { configuration, auth = authSchema.parse({}), logger, now = Date.now }: HistoryServiceOptions,
  findApiKey: FindApiKey,
): Promise<RpcServer> {
  const { grpc, http, limits } = configuration;
  try {
    return await startRpcServer({
      services: [rpcService(Contract, historyRpc(parts))],
      descriptorSet: await readFile(
        fileURLToPath(import.meta.resolve("@pelikuni/gen/descriptors.binpb")),
      ),
      grpc,
      http: { host: http.host, port: http.port, tls: http.tls, corsOrigins: http.cors_origins },
      limits,
      access: { auth, findApiKey, now },
      logger,
    });
  } catch (error) {
    throw withPortSetting(error, "HISTORY_SERVICE", grpc.port);
  }
}
