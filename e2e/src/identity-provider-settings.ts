import { z } from "zod";

/** What the provider's process is told: where to listen, whom it knows, what it signs with. */
export const identityProviderSettingsSchema = z.object({
  port: z.int(),
  /** Machines, which get tokens by their secret. */
  machines: z.array(z.object({ id: z.string(), secret: z.string() })),
  /** Private keys as JWKs; of those for one algorithm the first signs, all are published. */
  keys: z.array(z.looseObject({ kty: z.string() })),
  /** What tokens may be asked for. */
  scopes: z.array(z.string()),
});

/** The settings as the process gets them; sent again, they replace the former ones. */
export type IdentityProviderSettings = z.output<typeof identityProviderSettingsSchema>;

/** The client through which users sign in. */
export const userClient = { id: "wallet-app", redirectUri: "http://127.0.0.1/signed-in" } as const;

/** The signature algorithms for which the provider has keys. */
export const algorithms = ["RS256", "ES256", "EdDSA"] as const;

/** One of them. */
export type Algorithm = (typeof algorithms)[number];

/** The resource to name in a request, so that the token is for this audience and signed so. */
export function resourceOf(audience: string, algorithm: Algorithm): string {
  return `urn:${audience}:${algorithm}`;
}

/** What a resource says; undefined when it is none of ours. */
export function readResource(
  resource: string,
): { readonly audience: string; readonly algorithm: Algorithm } | undefined {
  const [, audience, name] = /^urn:([^:]+):([^:]+)$/.exec(resource) ?? [];
  const algorithm = algorithms.find((each) => each === name);
  return audience && algorithm ? { audience, algorithm } : undefined;
}
