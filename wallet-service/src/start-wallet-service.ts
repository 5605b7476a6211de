import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Transport } from "@connectrpc/connect";
import { WalletService as WalletServiceContract } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { type AuthConfiguration, authSchema } from "@pelikuni/runtime/access/auth-configuration";
import type { KafkaConfiguration } from "@pelikuni/runtime/kafka";
import type { Logger } from "@pelikuni/runtime/logger";
import { prepareSchema } from "@pelikuni/runtime/migrations";
import { withPortSetting } from "@pelikuni/runtime/port";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import { rpcService, startRpcServer } from "@pelikuni/runtime/rpc-server";
import { v7 } from "uuid";
import { openApiKeys } from "./api-keys.ts";
import { startHoldExpiry } from "./hold-expiry.ts";
import { startJournalRelay } from "./journal-relay.ts";
import { startRequestKeyCleanup } from "./request-key-cleanup.ts";
import { walletRpc } from "./rpc/wallet-rpc.ts";
import { rulesOf } from "./rules.ts";
import { createWalletEngine } from "./wallet-engine.ts";
import { createWalletOwnership } from "./wallet-ownership.ts";
import {
  type WalletServiceConfiguration,
  walletServiceSchema,
} from "./wallet-service-configuration.ts";

export { type WalletServiceConfiguration, walletServiceSchema };

/** A running wallet-service. Disposing it lets what is in flight finish, then closes everything. */
export interface WalletService extends AsyncDisposable {
  readonly grpcPort: number;
  readonly httpPort: number;
  /** Calls the service inside this process. */
  readonly transport: Transport;
}

// Others wait for a caller's share in the group under way, and again for that in their own: 16 are
// some three milliseconds. As long as a group takes no more than this, his calls a second are what
// limits him, and not his share.
const groupShareMs = 16;
const holdExpiryIntervalMs = 1_000;
const requestKeyCleanupIntervalMs = 60_000;
const dayMs = 86_400_000;
const migrationsDirectory = path.resolve(import.meta.dirname, "../migrations");

/**
 * Starts the wallet-service: brings the schema up to date where it may, then serves.
 *
 * @param options.auth who may call; left out: whoever reaches the ports, which must be on this machine
 * @param options.kafka where events are published; without brokers, or left out: nowhere
 * @param options.now the wall clock, milliseconds since 1970
 */
export async function startWalletService(options: {
  readonly configuration: WalletServiceConfiguration;
  readonly auth?: AuthConfiguration;
  readonly kafka?: KafkaConfiguration;
  readonly logger: Logger;
  readonly now?: () => number;
}): Promise<WalletService> {
  const { limits } = options.configuration;
  const { configuration, auth = authSchema.parse({}), kafka, logger, now = Date.now } = options;
  await prepareSchema(configuration.database, migrationsDirectory, logger);
  return await buildWithResources(async (resources) => {
    const engine = createWalletEngine(
      {
        database: configuration.database,
        connectionsMax: configuration.database.connections_max,
        cachedWalletsMax: configuration.cached_wallets_max,
        queueLengthMax: configuration.queue_length_max,
        groupShareMax: Math.ceil((limits.callerCallsPerSecond * groupShareMs) / 1_000),
        rules: rulesOf(configuration),
        now,
        logger,
      },
      resources,
    );
    resources.use(
      startRequestKeyCleanup({
        pool: engine.pool,
        keptMs: configuration.request_ids_kept_days * dayMs,
        intervalMs: requestKeyCleanupIntervalMs,
        now,
        logger,
      }),
    );
    resources.use(startHoldExpiry({ ...engine, intervalMs: holdExpiryIntervalMs, now, logger }));
    if (kafka?.brokers !== undefined) {
      const used = { ...kafka, brokers: kafka.brokers };
      resources.use(startJournalRelay({ ...engine, kafka: used, logger }));
    }
    const { currencies, accounts } = configuration;
    const ownership = createWalletOwnership(engine.readers);
    const handlers = walletRpc({ ...engine, currencies, accounts, newId: v7, ownership, logger });
    const descriptorSet = await readFile(
      fileURLToPath(import.meta.resolve("@pelikuni/gen/descriptors.binpb")),
    );
    const { pool } = engine;
    const apiKeys = await openApiKeys({ auth, pool, descriptorSet, newId: v7, now, logger });
    const server = resources.use(
      await startRpcServer({
        services: [rpcService(WalletServiceContract, handlers), apiKeys.service],
        descriptorSet,
        grpc: configuration.grpc,
        http: {
          host: configuration.http.host,
          port: configuration.http.port,
          tls: configuration.http.tls,
          corsOrigins: configuration.http.cors_origins,
        },
        limits: configuration.limits,
        access: { auth, findApiKey: apiKeys.lookup.find, ownership, now },
        logger,
      }).catch((error: unknown) => {
        throw withPortSetting(error, "WALLET_SERVICE", configuration.grpc.port);
      }),
    );
    const { grpcPort, httpPort } = server;
    logger.info({ grpcPort, httpPort }, "Serving gRPC and Connect");
    return {
      grpcPort,
      httpPort,
      transport: server.transport,
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}
