import { rpcLimitsSchema } from "@pelikuni/runtime/rpc-server";
import { z } from "zod";

const port = z.int().min(0).max(65_535);

/** The section `wallet_service` of the configuration. */
export const walletServiceSchema = z.strictObject({
  /** gRPC, with reflection and health. Port 0 takes any free one. */
  grpc: z.strictObject({ host: z.string().min(1), port }),
  /** Connect and gRPC-Web. Port 0 takes any free one. */
  http: z.strictObject({
    host: z.string().min(1),
    port,
    /** Origins whose pages may call from a browser, for example "https://console.example.com". */
    cors_origins: z.array(z.url()),
  }),
  database: z.strictObject({
    /** As the service's own role, which can neither change nor remove what is recorded. */
    url: z.url(),
    /** As the owner; when given, migrations run at the start. */
    migration_url: z.url().optional(),
    /** Connections for reads; one more commits. */
    connections_max: z.int().min(1).max(1_000),
  }),
  limits: rpcLimitsSchema,
  /** Commands that may wait for their outcome at once; more are refused with OVERLOADED. */
  queue_length_max: z.int().min(1_000).max(1_000_000),
  /** Wallets whose last state is kept in memory, about 1 KB each. */
  cached_wallets_max: z.int().min(1).max(10_000_000),
  /** Currencies that a new wallet may have. */
  currencies: z.array(z.string().regex(/^[A-Z][A-Z0-9]{2,11}$/)).min(1),
  /** How long a request_id is remembered. */
  request_ids_kept_days: z.number().min(0.001).max(3_650),
});

/** What the wallet-service needs to know to start. */
export type WalletServiceConfiguration = z.output<typeof walletServiceSchema>;
