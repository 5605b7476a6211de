import { callCredentialsSchema } from "@pelikuni/runtime/access/call-credentials";
import { clientTlsSchema, serverTlsSchema } from "@pelikuni/runtime/certificates";
import { rpcLimitsSchema } from "@pelikuni/runtime/rpc-server";
import { z } from "zod";

const port = z.int().min(0).max(65_535);

/** The section `history_service` of the configuration. */
export const historyServiceSchema = z.strictObject({
  /** gRPC, with reflection and health. Port 0 takes any free one. */
  grpc: z.strictObject({ host: z.string().min(1), port, tls: serverTlsSchema.optional() }),
  /** Connect and gRPC-Web. Port 0 takes any free one. */
  http: z.strictObject({
    host: z.string().min(1),
    port,
    tls: serverTlsSchema.optional(),
    /** Origins whose pages may call from a browser, for example "https://console.example.com". */
    cors_origins: z.array(z.url()),
  }),
  database: z.strictObject({
    /** As the service's own role, which can neither change nor remove what is recorded. */
    url: z.url(),
    /** As the owner; when given, migrations run at the start. */
    migration_url: z.url().optional(),
    /** Of both connections; so does sslmode=verify-full in a URL. */
    tls: clientTlsSchema,
    /** Connections for reads; one more writes. */
    connections_max: z.int().min(1).max(1_000),
  }),
  limits: rpcLimitsSchema,
  /** Where events come from: the wallet-service's change feed, or Kafka. */
  source: z.enum(["feed", "kafka"]),
  /** How the consumer group is named; the id of the database of history is appended. */
  kafka_group: z.string().min(1).max(100),
  /** Where the wallet-service answers gRPC: for the feed, and for reconciliation. */
  wallet_service_address: z
    .string()
    .regex(/^\S+:\d{1,5}$/, 'must be host:port, for example "localhost:50051"'),
  /** Who this service is to the wallet-service; it needs the scopes history:read and api_keys:check. */
  wallet_service_credentials: callCredentialsSchema,
  wallet_service_tls: clientTlsSchema,
});

/** What the history-service needs to know to start. */
export type HistoryServiceConfiguration = z.output<typeof historyServiceSchema>;
