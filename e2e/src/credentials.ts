import { type Forgeries, forgeTokens } from "./forged-tokens.ts";
import type { IdentityProvider } from "./identity-provider.ts";

/** What is wrong with a caller's credentials, and the Authorization header; undefined for none. */
export type Credentials = ReadonlyMap<string, string | undefined>;

/** The forgeries of which each method and route is tried with each. */
const everywhere = [
  "expired",
  "of another issuer",
  "for another audience",
  "signed with another key",
  'alg "none"',
  "HS256 with the PEM of the public key as secret",
];

/**
 * Credentials that are never accepted, of each kind one.
 *
 * @param token one that is accepted, of this provider
 */
export async function unacceptedCredentials(
  provider: IdentityProvider,
  token: string,
): Promise<Credentials> {
  const forgeries = await forgeTokens(provider, token);
  return new Map([
    ["no token", undefined],
    ...everywhere.map((name): [string, string] => [name, bearerOf(forgeries, name)]),
    ["an API key that nobody has", `Bearer pelikuni_${"a".repeat(43)}`],
  ]);
}

/** Headers that are never accepted, whatever is made of the token in them. */
export function malformedHeaders(token: string): ReadonlyMap<string, string> {
  const basic = Buffer.from(`operator:${token}`).toString("base64");
  return new Map([
    ["an empty header", ""],
    ["a token without a scheme", token],
    ["a scheme without a token", "Bearer"],
    ["a scheme without a token and a space", "Bearer "],
    ["another scheme", `Token ${token}`],
    ["a password", `Basic ${basic}`],
    ["two tokens in one header", `Bearer ${token} ${token}`],
    ["two headers in one", `Bearer ${token}, Bearer ${token}`],
    ["a quoted token", `Bearer "${token}"`],
    ["a token with a space in it", `Bearer ${token.slice(0, 20)} ${token.slice(20)}`],
    ["a token of 12,000 letters", `Bearer ${"a".repeat(12_000)}`],
    ["an API key without a secret", "Bearer pelikuni_"],
    ["an API key with odd letters", "Bearer pelikuni_../../etc/passwd"],
  ]);
}

function bearerOf(forgeries: Forgeries, name: string): string {
  const token = forgeries.get(name);
  if (token === undefined) throw new Error(`Nobody forges a token "${name}".`);
  return `Bearer ${token}`;
}
