import { rpcLimitsSchema } from "@pelikuni/runtime/rpc-server";
import { z } from "zod";
import { isoDecimals } from "./currency-table.ts";

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
  /**
   * Currencies that a new wallet may have, by code. An ISO 4217 code has its decimals from that
   * standard unless given; a name of the company's own, such as points, must give them.
   */
  currencies: z
    .record(
      // In either case: the names of variables come in small letters.
      z.string().regex(/^[A-Z][A-Z0-9]{2,11}$/i),
      z.strictObject({ decimals: z.int().min(0).max(4).optional() }),
    )
    .transform((currencies, context) => decimalsOf(currencies, context)),
  /** Accounts outside the wallets, which money comes from and goes to. */
  accounts: z.array(z.string().regex(/^[a-z][a-z0-9_-]{0,49}$/)).min(1),
  /** How far in the future a hold may end. */
  hold_days_max: z.number().min(0.001).max(3_650),
  /** How long a request_id is remembered. */
  request_ids_kept_days: z.number().min(0.001).max(3_650),
});

/** The decimals of each currency, by code. */
function decimalsOf(
  currencies: Readonly<Record<string, { readonly decimals?: number | undefined }>>,
  context: z.RefinementCtx,
): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const [name, { decimals }] of Object.entries(currencies)) {
    const code = name.toUpperCase();
    const known = decimals ?? isoDecimals.get(code);
    if (known !== undefined) found.set(code, known);
    else {
      const message = "is not in ISO 4217: give its decimals, 0 to 4";
      context.addIssue({ code: "custom", path: [name, "decimals"], message });
    }
  }
  return found;
}

/** What the wallet-service needs to know to start. */
export type WalletServiceConfiguration = z.output<typeof walletServiceSchema>;
