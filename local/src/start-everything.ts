import path from "node:path";
import { type GatewayConfiguration, startGateway } from "@pelikuni/gateway/start-gateway";
import type { Logger } from "@pelikuni/runtime/logger";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import {
  startWalletService,
  type WalletServiceConfiguration,
} from "@pelikuni/wallet-service/start-wallet-service";
import { z } from "zod";
import { startEmbeddedPostgres } from "./embedded-postgres.ts";

/** The configuration section `local`. */
export const localSchema = z.strictObject({
  /** Where data lie, relative to the project's root. */
  directory: z.string().min(1),
  /** TCP port of the embedded Postgres; 0 takes a free one, if possible the last one. */
  postgres_port: z.int().min(0).max(65_535),
});

/** The parsed section `local`. */
export type LocalConfiguration = z.output<typeof localSchema>;

/** What everything together needs; `database.url` of the wallet-service is replaced. */
export interface EverythingOptions {
  readonly local: LocalConfiguration;
  readonly walletService: WalletServiceConfiguration;
  readonly gateway: GatewayConfiguration;
  readonly logger: Logger;
}

/** All services and their Postgres, running in this process. */
export interface Everything extends AsyncDisposable {
  readonly restPort: number;
  readonly grpcPort: number;
  readonly httpPort: number;
}

const projectDirectory = path.resolve(import.meta.dirname, "../..");
const database = "pelikuni_wallet";

/** Starts an embedded Postgres and every service on it; when one fails, all are stopped. */
export function startEverything(options: EverythingOptions): Promise<Everything> {
  const { local, logger } = options;
  return buildWithResources(async (resources) => {
    const postgres = resources.use(
      await startEmbeddedPostgres({
        directory: path.resolve(projectDirectory, local.directory),
        port: local.postgres_port,
        logger: logger.child({ name: "postgres" }),
      }),
    );
    await postgres.createDatabase(database);
    const wallet = resources.use(
      await startWalletService({
        configuration: {
          ...options.walletService,
          database: {
            ...options.walletService.database,
            url: postgres.serviceUrl(database),
            migration_url: postgres.ownerUrl(database),
          },
        },
        logger: logger.child({ name: "wallet-service" }),
      }),
    );
    const gateway = resources.use(
      await startGateway({
        configuration: options.gateway,
        logger: logger.child({ name: "gateway" }),
        walletTransport: wallet.transport,
      }),
    );
    return {
      restPort: gateway.port,
      grpcPort: wallet.grpcPort,
      httpPort: wallet.httpPort,
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}
