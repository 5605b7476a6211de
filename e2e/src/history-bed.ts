import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { HistoryService } from "@pelikuni/gen/history/v1/history_service_pb";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import {
  historyServiceSchema,
  startHistoryService,
} from "@pelikuni/history-service/start-history-service";
import type { AuthConfiguration } from "@pelikuni/runtime/access/auth-configuration";
import type { KafkaConfiguration } from "@pelikuni/runtime/kafka";
import { createLogger, type Logger } from "@pelikuni/runtime/logger";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import { createGrpcTransport } from "@pelikuni/runtime/rpc-transport";
import {
  startWalletService,
  walletServiceSchema,
} from "@pelikuni/wallet-service/start-wallet-service";
import postgres from "postgres";
import { createTestDatabase, type TestDatabase } from "./test-database.ts";

/** A wallet-service and a history-service fed by it, each on a database of its own. */
export interface HistoryBed extends AsyncDisposable {
  readonly wallets: Client<typeof WalletService>;
  readonly walletTransport: Transport;
  /** Inside the process, where a caller may be given with a call. */
  readonly walletsInside: Client<typeof WalletService>;
  readonly history: Client<typeof HistoryService>;
  readonly historyTransport: Transport;
  readonly historyGrpcPort: number;
  readonly walletGrpcPort: number;
  readonly historyHttpPort: number;
  readonly walletHttpPort: number;
  readonly walletDatabase: TestDatabase;
  readonly historyDatabase: TestDatabase;
  /** As the owner of history's database, to look at its tables. */
  readonly historyOwner: postgres.Sql<{ bigint: bigint }>;
  /** As the owner of the wallet-service's database. */
  readonly walletOwner: postgres.Sql<{ bigint: bigint }>;
}

/** In what a service of the bed differs from others. */
export interface BedOptions {
  /** Events travel over it; over the feed when left out. */
  readonly kafka?: KafkaConfiguration;
  /** Nothing is logged when it is left out. */
  readonly logger?: Logger;
  /** Who may call; everybody when left out. */
  readonly auth?: AuthConfiguration;
  /** Its clock, milliseconds since 1970. */
  readonly now?: () => number;
}

const quiet = createLogger("test", { level: "silent", format: "json" });
const messageBytesMax = 4 * 1024 * 1024;

/**
 * Starts both; history calls the wallet-service over gRPC.
 *
 * @param options.credentials who history is to the wallet-service
 */
export async function startHistoryBed({
  credentials,
  ...options
}: BedOptions & { readonly credentials?: object } = {}): Promise<HistoryBed> {
  return await buildWithResources(async (resources) => {
    const walletDatabase = resources.use(await createTestDatabase());
    const historyDatabase = resources.use(await createTestDatabase());
    const wallet = resources.use(await startWallets(walletDatabase, options));
    const { grpcPort: walletGrpcPort } = wallet;
    const history = resources.use(
      await startHistory(historyDatabase, {
        ...options,
        walletGrpcPort,
        ...(credentials && { credentials }),
      }),
    );
    const open = (port: number): Transport => resources.use(transportTo(port));
    const own = (database: TestDatabase): postgres.Sql<{ bigint: bigint }> => {
      const sql = postgres(database.ownerUrl, { max: 2, types: { bigint: postgres.BigInt } });
      resources.use({ [Symbol.asyncDispose]: () => sql.end({ timeout: 1 }) });
      return sql;
    };
    const walletTransport = open(wallet.grpcPort);
    const historyTransport = open(history.grpcPort);
    return {
      wallets: createClient(WalletService, walletTransport),
      walletTransport,
      walletsInside: createClient(WalletService, wallet.transport),
      history: createClient(HistoryService, historyTransport),
      historyTransport,
      historyGrpcPort: history.grpcPort,
      walletGrpcPort,
      historyHttpPort: history.httpPort,
      walletHttpPort: wallet.httpPort,
      walletDatabase,
      historyDatabase,
      historyOwner: own(historyDatabase),
      walletOwner: own(walletDatabase),
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

/** Starts a wallet-service, a replica when the database has one already. */
export async function startWallets(
  database: TestDatabase,
  { logger = quiet, ...options }: BedOptions = {},
): ReturnType<typeof startWalletService> {
  const configuration = walletServiceSchema.parse({
    ...commonSettings(database),
    queue_length_max: 10_000,
    cached_wallets_max: 1_000,
    currencies: { USD: { decimals: 4 }, EUR: { decimals: 4 }, JPY: {}, KWD: {} },
    accounts: ["external", "bank", "fees", "fx"],
    hold_days_max: 31,
    request_ids_kept_days: 7,
  });
  return await startWalletService({ configuration, logger, ...options });
}

/** Starts a history-service, a replica when the database has one already. */
export async function startHistory(
  database: TestDatabase,
  options: BedOptions & {
    readonly walletGrpcPort: number;
    /** Another way to the same database. */
    readonly databaseUrl?: string;
    /** Who it is to the wallet-service. */
    readonly credentials?: object;
  },
): ReturnType<typeof startHistoryService> {
  const { walletGrpcPort, databaseUrl = database.serviceUrl, credentials, ...others } = options;
  const common = commonSettings(database);
  const configuration = historyServiceSchema.parse({
    ...common,
    database: { ...common.database, url: databaseUrl },
    source: options.kafka ? "kafka" : "feed",
    kafka_group: "pelikuni-history",
    wallet_service_address: `127.0.0.1:${walletGrpcPort}`,
    wallet_service_credentials: credentials,
  });
  return await startHistoryService({ configuration, logger: quiet, ...others });
}

/** A gRPC transport to a port of this machine. */
export function transportTo(port: number): Transport & AsyncDisposable {
  const address = `127.0.0.1:${port}`;
  return createGrpcTransport({ address, messageBytesMax, deadlineDefaultMs: 10_000 });
}

function commonSettings({ serviceUrl, ownerUrl }: TestDatabase): { readonly database: object } {
  const common = {
    grpc: { host: "127.0.0.1", port: 0 },
    http: { host: "127.0.0.1", port: 0, cors_origins: [] },
    limits: {},
  };
  return {
    ...common,
    database: { url: serviceUrl, migration_url: ownerUrl, connections_max: 4 },
  };
}
