import { z } from "zod";
import { OperatorError } from "../operator-error.ts";
import { isLoopback } from "../port.ts";

const secondsMax = 86_400;

/** Only asymmetric ones: with a shared secret, whoever can check a token can make one. */
const algorithm = z.enum([
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
]);

/** A URL that nobody else on the network can answer for. */
export const secureUrl = z
  .url()
  .refine(isSecure, "must begin with https://, or with http:// on this machine");

const issuer = z.strictObject({
  /** The `iss` of its tokens, exactly as it writes it. */
  issuer: secureUrl,
  /** The `aud` that its tokens must have. */
  audience: z.string().min(1),
  /** Where its keys are; left out: where its /.well-known/openid-configuration says. */
  jwks_url: secureUrl.optional(),
  /** Signatures that are accepted. */
  algorithms: z.array(algorithm).min(1).default(["RS256", "PS256", "ES256", "EdDSA"]),
  /**
   * The scopes that its tokens can give; others in them count for nothing. Left out: all. For an issuer
   * that gives a user the scopes that he asks for.
   */
  scopes: z.array(z.string().min(1)).optional(),
  /** Whether the subjects of its tokens are users, who own the wallets with their user_id. */
  users: z.boolean().default(true),
});

const apiKeySecret = z
  .string()
  .regex(
    /^pelikuni_[0-9A-Za-z]{32,200}$/,
    "must be pelikuni_ followed by 32 to 200 letters and digits, chosen by chance",
  );

/** The section `auth` of the configuration, which wallet- and history-service read. */
export const authSchema = z
  .strictObject({
    /** Refuses to start unless issuers, api_keys or certificates say who may call. */
    required: z.boolean().default(false),
    /** Whose tokens are accepted. */
    issuers: z.array(issuer).max(10).default([]),
    /** Whether API keys are accepted. */
    api_keys: z.boolean().default(false),
    /**
     * A secret. The wallet-service makes sure that there is a key with it, which has every scope:
     * the first one, with which others are created. Once revoked it is not made again.
     */
    initial_api_key: apiKeySecret.optional(),
    /** Likewise; the key has what the history-service needs, and nothing more. */
    initial_history_api_key: apiKeySecret.optional(),
    /** Callers known by their client certificate, by one of its names. */
    certificates: z
      .array(
        z.strictObject({
          /** A DNS name or URI among its subject alternative names, or its common name. */
          name: z.string().min(1).max(255),
          scopes: z.array(z.string().min(1)),
        }),
      )
      .default([]),
    /** How far the clocks of issuers may differ from this one. */
    clock_skew_seconds: z.int().min(0).max(300).default(30),
    /** How often the keys of issuers are fetched, whether or not a token needs a new one. */
    keys_refresh_seconds: z.int().min(1).max(secondsMax).default(300),
    /** How long keys are used while their issuer does not answer. */
    keys_kept_seconds: z
      .int()
      .min(60)
      .max(30 * secondsMax)
      .default(secondsMax),
  })
  .prefault({})
  .superRefine((auth, context) => {
    if (auth.required && isOpen(auth)) {
      const message =
        "is true, and nothing says who may call: set auth.issuers (APP__AUTH__ISSUERS), " +
        "auth.api_keys (APP__AUTH__API_KEYS) or auth.certificates";
      context.addIssue({ code: "custom", path: ["required"], message });
    }
    for (const name of ["initial_api_key", "initial_history_api_key"] as const) {
      if (auth[name] === undefined || auth.api_keys) continue;
      const message =
        "is set, and API keys are not accepted: set auth.api_keys (APP__AUTH__API_KEYS)";
      context.addIssue({ code: "custom", path: [name], message });
    }
    const { initial_api_key, initial_history_api_key } = auth;
    if (initial_api_key !== undefined && initial_api_key === initial_history_api_key) {
      const message = "is auth.initial_api_key as well: the history-service would have every scope";
      context.addIssue({ code: "custom", path: ["initial_history_api_key"], message });
    }
    if (auth.issuers.filter(({ users }) => users).length > 1) {
      const message =
        "two issuers could both name the same user: give users: false to all but one of them";
      context.addIssue({ code: "custom", path: ["issuers"], message });
    }
  });

/** The parsed section `auth`. */
export type AuthConfiguration = z.output<typeof authSchema>;

/** Whether everybody may do everything. */
export function isOpen({
  issuers,
  api_keys,
  certificates,
}: Pick<AuthConfiguration, "issuers" | "api_keys" | "certificates">): boolean {
  return issuers.length === 0 && !api_keys && certificates.length === 0;
}

/**
 * Makes sure that only this machine reaches a service that is open.
 *
 * @param hosts what its ports listen on
 * @throws OperatorError
 */
export function assertNotExposed(auth: AuthConfiguration, hosts: readonly string[]): void {
  const exposed = hosts.find((host) => !isLoopback(host));
  if (exposed === undefined || !isOpen(auth)) return;
  throw new OperatorError(
    `Whoever reaches ${exposed} could move all money: nothing says who may call. ` +
      "Set auth.issuers (APP__AUTH__ISSUERS), auth.api_keys (APP__AUTH__API_KEYS) or " +
      "auth.certificates, or listen on 127.0.0.1",
  );
}

function isSecure(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  return protocol === "https:" || (protocol === "http:" && isLoopback(hostname));
}
