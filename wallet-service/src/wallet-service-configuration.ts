import { clientTlsSchema, serverTlsSchema } from "@pelikuni/runtime/certificates";
import { rpcLimitsSchema } from "@pelikuni/runtime/rpc-server";
import { z } from "zod";
import { isoDecimals } from "./currency-table.ts";
import { isZero, parseAmount } from "./money.ts";

const port = z.int().min(0).max(65_535);

const amount = z.string('must be in quotes, such as "10000"').refine((text) => {
  const parsed = parseAmount(text);
  return parsed !== undefined && !isZero(parsed);
}, 'must be an amount above zero, such as "10000" or "99.50"');

/** The section `wallet_service` of the configuration. */
export const walletServiceSchema = z.strictObject({
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
   * `transfer_amount_max`, such as "10000", is the most that one transaction may take out of a
   * wallet, or one hold set aside; left out, any amount may go.
   */
  currencies: z
    .record(
      // In either case: the names of variables come in small letters.
      z.string().regex(/^[A-Z][A-Z0-9]{2,11}$/i),
      z.strictObject({
        decimals: z.int().min(0).max(4).optional(),
        transfer_amount_max: amount.optional(),
      }),
    )
    .transform((currencies, context) => withDecimals(currencies, context)),
  /** Accounts outside the wallets, which money comes from and goes to. */
  accounts: z.array(z.string().regex(/^[a-z][a-z0-9_-]{0,49}$/)).min(1),
  /** How far in the future a hold may end. */
  hold_days_max: z.number().min(0.001).max(3_650),
  /** How long a request_id is remembered. */
  request_ids_kept_days: z.number().min(0.001).max(3_650),
});

/** The settings of each currency by code, with its decimals. */
function withDecimals<Settings extends { readonly decimals?: number | undefined }>(
  currencies: Readonly<Record<string, Settings>>,
  context: z.RefinementCtx,
): ReadonlyMap<string, Settings & { readonly decimals: number }> {
  const found = new Map<string, Settings & { readonly decimals: number }>();
  for (const [name, settings] of Object.entries(currencies)) {
    const code = name.toUpperCase();
    const decimals = settings.decimals ?? isoDecimals.get(code);
    if (decimals !== undefined) found.set(code, { ...settings, decimals });
    else {
      const message = "is not in ISO 4217: give its decimals, 0 to 4";
      context.addIssue({ code: "custom", path: [name, "decimals"], message });
    }
  }
  return found;
}

/** What the wallet-service needs to know to start. */
export type WalletServiceConfiguration = z.output<typeof walletServiceSchema>;
