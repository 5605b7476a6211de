import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { WalletService as Contract } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import type { AuthConfiguration } from "@pelikuni/runtime/access/auth-configuration";
import type { Logger } from "@pelikuni/runtime/logger";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import { createGrpcTransport } from "@pelikuni/runtime/rpc-transport";
import { createTestDatabase, type TestDatabase } from "../../e2e/src/test-database.ts";
import { startWalletService, walletServiceSchema } from "../src/start-wallet-service.ts";
import { quiet } from "./test-engine.ts";

/** A client of the service. */
export type Calls = Client<typeof Contract>;

/** A wallet-service on a database of its own, and a client over each way in. */
export interface ServiceBed extends AsyncDisposable {
  readonly database: TestDatabase;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly inProcess: Calls;
  readonly grpc: Calls;
}

/**
 * Starts it; `settings` replace keys of the section `wallet_service`. With a database of another
 * bed it is a replica of that one.
 *
 * @param now the service's clock, milliseconds since 1970
 * @param options who may call, everybody when left out; and where it logs
 */
export async function startServiceBed(
  settings: object = {},
  shared?: TestDatabase,
  now: () => number = Date.now,
  options: { readonly auth?: AuthConfiguration; readonly logger?: Logger } = {},
): Promise<ServiceBed> {
  return await buildWithResources(async (resources) => {
    const database = shared ?? resources.use(await createTestDatabase());
    const configuration = walletServiceSchema.parse({
      grpc: { host: "127.0.0.1", port: 0 },
      http: { host: "127.0.0.1", port: 0, cors_origins: [] },
      database: {
        url: database.serviceUrl,
        migration_url: database.ownerUrl,
        connections_max: 4,
      },
      limits: {},
      queue_length_max: 1_000,
      cached_wallets_max: 1_000,
      currencies: {
        USD: { decimals: 4 },
        EUR: { decimals: 4 },
        JPY: {},
        KWD: { transfer_amount_max: "1000" },
      },
      accounts: ["external", "bank", "fees", "fx"],
      hold_days_max: 31,
      request_ids_kept_days: 7,
      ...settings,
    });
    const service = resources.use(
      await startWalletService({ configuration, logger: quiet, now, ...options }),
    );
    const transport = resources.use(
      createGrpcTransport({
        address: `127.0.0.1:${service.grpcPort}`,
        messageBytesMax: 4 * 1024 * 1024,
        deadlineDefaultMs: 10_000,
      }),
    );
    const client = (over: Transport) => createClient(Contract, over);
    return {
      database,
      grpcPort: service.grpcPort,
      httpPort: service.httpPort,
      inProcess: client(service.transport),
      grpc: client(transport),
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

/** Creates a wallet with money in it; without when left out. */
export async function createWallet(
  calls: Calls,
  userId: string,
  money = "",
  currency = "",
): Promise<string> {
  const { wallet } = await calls.createWallet({ userId, currency });
  const walletId = wallet?.id ?? "";
  if (money !== "") await calls.fundWallet({ walletId, amount: money });
  return walletId;
}
