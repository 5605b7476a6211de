import path from "node:path";
import { type GatewayConfiguration, startGateway } from "@pelikuni/gateway/start-gateway";
import {
  historyServiceSchema,
  startHistoryService,
} from "@pelikuni/history-service/start-history-service";
import {
  type AuthConfiguration,
  assertNotExposed,
  isOpen,
} from "@pelikuni/runtime/access/auth-configuration";
import type { Caller } from "@pelikuni/runtime/access/caller";
import { callingAs } from "@pelikuni/runtime/access/calling-as";
import type { KafkaConfiguration } from "@pelikuni/runtime/kafka";
import type { Logger } from "@pelikuni/runtime/logger";
import { buildWithResources, type ResourceStack } from "@pelikuni/runtime/resource-stack";
import {
  startWalletService,
  walletServiceSchema,
} from "@pelikuni/wallet-service/start-wallet-service";
import { z } from "zod";
import { startEmbeddedKafka } from "./embedded-kafka.ts";
import { startEmbeddedPostgres } from "./embedded-postgres.ts";

/** The configuration section `local`. */
export const localSchema = z.strictObject({
  /** Where data lie, relative to the project's root. */
  directory: z.string().min(1),
  /** TCP port of the embedded Postgres; 0 takes a free one, if possible the last one. */
  postgres_port: z.int().min(0).max(65_535),
  /** TCP port of the embedded Kafka, where it is wanted; 0 takes a free one. */
  kafka_port: z.int().min(0).max(65_535),
});

/** The parsed section `local`. */
export type LocalConfiguration = z.output<typeof localSchema>;

/** The section `wallet_service`, where the database's address may be missing: it is given here. */
export const localWalletServiceSchema = walletServiceSchema.extend({
  database: walletServiceSchema.shape.database.partial({ url: true }),
});

/** The section `history_service`, likewise. */
export const localHistoryServiceSchema = historyServiceSchema.extend({
  database: historyServiceSchema.shape.database.partial({ url: true }),
});

/** What everything together needs. */
export interface EverythingOptions {
  readonly local: LocalConfiguration;
  /** The database's address in it is not used. */
  readonly walletService: z.output<typeof localWalletServiceSchema>;
  /** Likewise, and events come from Kafka or from the feed whatever it says. */
  readonly historyService: z.output<typeof localHistoryServiceSchema>;
  readonly gateway: GatewayConfiguration;
  /** Who may call. */
  readonly auth: AuthConfiguration;
  readonly kafka: KafkaConfiguration;
  /** Whether events go over an embedded Kafka. The brokers of the configuration are not used. */
  readonly withKafka: boolean;
  /** Makes the logger of a service of this name. */
  readonly createLogger: (name: string) => Logger;
}

/** All services and their Postgres, running in this process. */
export interface Everything extends AsyncDisposable {
  /** Whether nobody is asked who he is. */
  readonly open: boolean;
  readonly restPort: number;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly historyGrpcPort: number;
  /** Which of the first three ports speak TLS. */
  readonly encrypted: { readonly rest: boolean; readonly grpc: boolean; readonly http: boolean };
  /** Where events are published, if they are. */
  readonly kafka: { readonly broker: string; readonly topic: string } | undefined;
}

/** Who the history-service is to the wallet-service of its own process. */
const historyService: Caller = {
  issuer: "process",
  subject: "history-service",
  client: "",
  scopes: new Set(["history:read", "api_keys:check"]),
  isUser: false,
};

const projectDirectory = path.resolve(import.meta.dirname, "../..");
// What is embedded listens on the loopback interface alone.
const notEncrypted = { enabled: false };
const walletDatabase = "pelikuni_wallet";
const historyDatabase = "pelikuni_history";

/** Starts an embedded Postgres and every service on it; when one fails, all are stopped. */
export function startEverything(options: EverythingOptions): Promise<Everything> {
  const { local, auth, createLogger } = options;
  assertNotExposed(auth, [options.gateway.host]);
  warnOfUnused(options);
  return buildWithResources(async (resources) => {
    const postgres = resources.use(
      await startEmbeddedPostgres({
        directory: path.resolve(projectDirectory, local.directory),
        port: local.postgres_port,
        logger: createLogger("postgres"),
      }),
    );
    const databaseOf = (name: string) => ({
      url: postgres.serviceUrl(name),
      migration_url: postgres.ownerUrl(name),
      tls: notEncrypted,
    });
    for (const name of [walletDatabase, historyDatabase]) await postgres.createDatabase(name);
    const kafka = await startKafka(options, resources);
    const wallet = resources.use(
      await startWalletService({
        configuration: {
          ...options.walletService,
          database: { ...options.walletService.database, ...databaseOf(walletDatabase) },
        },
        auth,
        kafka,
        logger: createLogger("wallet-service"),
      }),
    );
    const history = resources.use(
      await startHistoryService({
        configuration: {
          ...options.historyService,
          database: { ...options.historyService.database, ...databaseOf(historyDatabase) },
          source: options.withKafka ? "kafka" : "feed",
        },
        auth,
        kafka,
        logger: createLogger("history-service"),
        walletTransport: callingAs(wallet.transport, historyService),
      }),
    );
    const gateway = resources.use(
      await startGateway({
        configuration: options.gateway,
        logger: createLogger("gateway"),
        walletTransport: wallet.transport,
        historyTransport: history.transport,
        open: isOpen(auth),
      }),
    );
    return {
      open: isOpen(auth),
      restPort: gateway.port,
      grpcPort: wallet.grpcPort,
      httpPort: wallet.httpPort,
      historyGrpcPort: history.grpcPort,
      encrypted: {
        rest: options.gateway.tls !== undefined,
        grpc: options.walletService.grpc.tls !== undefined,
        http: options.walletService.http.tls !== undefined,
      },
      kafka: kafka.brokers && { broker: kafka.brokers.join(), topic: kafka.topic },
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

async function startKafka(
  { local, kafka, withKafka, createLogger }: EverythingOptions,
  resources: ResourceStack,
): Promise<KafkaConfiguration> {
  if (!withKafka) return { ...kafka, brokers: undefined };
  const server = resources.use(
    await startEmbeddedKafka({
      directory: path.resolve(projectDirectory, local.directory, "kafka"),
      port: local.kafka_port,
      logger: createLogger("kafka"),
    }),
  );
  // It is a single node.
  return { ...kafka, tls: notEncrypted, brokers: server.brokers, replication_factor: 1 };
}

function warnOfUnused(options: EverythingOptions): void {
  const logger = options.createLogger("pelikuni");
  const settings = {
    "wallet_service.database.url": options.walletService.database.url,
    "history_service.database.url": options.historyService.database.url,
    "kafka.brokers": options.kafka.brokers,
  };
  for (const [setting, value] of Object.entries(settings)) {
    if (value !== undefined) logger.warn(`${setting} is not used here: npm start brings its own`);
  }
}
