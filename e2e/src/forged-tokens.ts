import { createPublicKey, randomBytes, type webcrypto } from "node:crypto";
import {
  base64url,
  CompactSign,
  decodeJwt,
  decodeProtectedHeader,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWSHeaderParameters,
} from "jose";
import type { IdentityProvider, ProviderKey } from "./identity-provider.ts";
import type { Algorithm } from "./identity-provider-settings.ts";

/** What is done to a token, and the token that comes of it. */
export type Forgeries = ReadonlyMap<string, string>;

type Key = webcrypto.CryptoKey | Uint8Array;
type Header = JWSHeaderParameters & { readonly alg: string };

const anHour = 3_600;
const foreignIssuer = "https://issuer.example";

/**
 * Makes tokens of a good one, each of which differs from it in what its name says and is right in
 * everything else. Most are signed with the provider's own key, which a forger would not have, so
 * that no other mistake can be what they are refused for.
 *
 * @param token signed with RS256 by the first key of this provider
 */
export async function forgeTokens(provider: IdentityProvider, token: string): Promise<Forgeries> {
  const claims = decodeJwt(token);
  const own = keyFor(provider, "RS256");
  const key = await importJWK(own, own.alg);
  const header = { ...decodeProtectedHeader(token), alg: own.alg, kid: own.kid };
  return new Map([
    ...(await forgeClaims(header, claims, key)),
    ...(await forgeSignatures(header, claims, own)),
    ...(await forgeKeys(provider, header, claims)),
    ...breakApart(token, claims),
  ]);
}

/** Signs claims as the provider would not. */
export async function signClaims(header: Header, claims: object, key: Key): Promise<string> {
  const payload = new TextEncoder().encode(JSON.stringify(claims));
  const signing = new CompactSign(payload).setProtectedHeader(header);
  return await signing.sign(key, { crit: { nonsense: true } });
}

async function forgeClaims(header: Header, claims: object, key: Key): Promise<[string, string][]> {
  const now = Math.floor(Date.now() / 1_000);
  const changes: Record<string, object> = {
    expired: { iat: now - 2 * anHour, exp: now - anHour },
    "without an expiry": { exp: undefined },
    "with an expiry that is no number": { exp: "never" },
    "not yet valid": { nbf: now + anHour },
    "of another issuer": { iss: foreignIssuer },
    "without an issuer": { iss: undefined },
    "for another audience": { aud: "another" },
    "for several other audiences": { aud: ["another", "pelikuni-not", "PELIKUNI"] },
    "without an audience": { aud: undefined },
    "without a subject": { sub: undefined },
    "with an empty subject": { sub: "" },
    "with a subject that is no text": { sub: 7 },
    "with a subject longer than can be written down": { sub: "x".repeat(256) },
    "with U+0000 in its subject": { sub: "alice\0" },
    "with half a surrogate pair in its client": { client_id: "\ud800" },
  };
  return await Promise.all(
    Object.entries(changes).map(async ([name, change]): Promise<[string, string]> => {
      return [name, await signClaims(header, { ...claims, ...change }, key)];
    }),
  );
}

async function forgeSignatures(
  header: Header,
  claims: object,
  own: ProviderKey,
): Promise<[string, string][]> {
  const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...published } = own;
  const publicKey = createPublicKey({ key: { ...published }, format: "jwk" });
  const pem = Buffer.from(publicKey.export({ format: "pem", type: "spki" }));
  const secrets: Record<string, Uint8Array> = {
    "the PEM of": pem,
    "the trimmed PEM of": Buffer.from(pem.toString().trim()),
    "the DER of": publicKey.export({ format: "der", type: "spki" }),
    "the JWK of": Buffer.from(JSON.stringify(published)),
    "the modulus of": Buffer.from(published.n ?? "", "base64url"),
  };
  const shared = Object.entries(secrets).map(
    async ([name, secret]): Promise<[string, string]> => [
      `HS256 with ${name} the public key as secret`,
      await signClaims({ ...header, alg: "HS256" }, claims, secret),
    ],
  );
  const unsigned = ["none", "None", "NONE", "nOnE", ""].map((alg): [string, string] => [
    `alg "${alg}"`,
    `${encode({ ...header, alg })}.${encode(claims)}.`,
  ]);
  const zeros = base64url.encode(new Uint8Array(64));
  return [
    ...(await Promise.all(shared)),
    ...unsigned,
    ["no alg", `${encode({ kid: header.kid })}.${encode(claims)}.${zeros}`],
    [
      "ES256 with a signature of zeros",
      `${encode({ ...header, alg: "ES256" })}.${encode(claims)}.${zeros}`,
    ],
    [
      "RS512 with a key for RS256",
      await signClaims({ ...header, alg: "RS512" }, claims, await importJWK(own, "RS512")),
    ],
    [
      "an extension that must be understood",
      await signClaims(
        { ...header, crit: ["nonsense"], nonsense: true },
        claims,
        await importJWK(own, own.alg),
      ),
    ],
  ];
}

async function forgeKeys(
  provider: IdentityProvider,
  header: Header,
  claims: object,
): Promise<[string, string][]> {
  const foreign = await generateKeyPair("RS256", { extractable: true });
  const foreignPublic = await exportJWK(foreign.publicKey);
  const other = keyFor(provider, "ES256");
  const sign = (change: object) => signClaims({ ...header, ...change }, claims, foreign.privateKey);
  const unknown = randomBytes(6).toString("hex");
  return [
    ["signed with another key", await sign({})],
    ["signed with another key, without a kid", await sign({ kid: undefined })],
    ["signed with another key, its kid unknown", await sign({ kid: unknown })],
    ["signed with another key, which it brings along", await sign({ jwk: foreignPublic })],
    [
      "signed with another key, whose address it brings along",
      await sign({ kid: unknown, jku: `${foreignIssuer}/jwks` }),
    ],
    ["with a kid that is a path", await sign({ kid: "../../../../dev/null" })],
    ["with a kid of another algorithm's key", await sign({ kid: other.kid })],
  ];
}

function breakApart(token: string, claims: object): [string, string][] {
  const [header = "", payload = "", signature = ""] = token.split(".");
  const swapped = `${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`;
  return [
    [
      "with another subject under the old signature",
      `${header}.${encode({ ...claims, sub: "mallory" })}.${signature}`,
    ],
    ["with a changed signature", `${header}.${payload}.${swapped}`],
    ["with its signature cut off", `${header}.${payload}.`],
    ["with two parts", `${header}.${payload}`],
    ["with five parts", `${header}.${payload}.${signature}.${payload}.${signature}`],
    ["with a header that is no JSON", `${base64url.encode("{")}.${payload}.${signature}`],
    ["with a payload that is no JSON", `${header}.${base64url.encode("{")}.${signature}`],
    ["of dots", "..."],
    ["of one letter", "x"],
    ["of random bytes", randomBytes(300).toString("base64url")],
  ];
}

function keyFor(provider: IdentityProvider, algorithm: Algorithm): ProviderKey {
  const key = provider.keys.find(({ alg }) => alg === algorithm);
  if (key === undefined) throw new Error(`The provider has no key for ${algorithm}.`);
  return key;
}

function encode(part: object): string {
  return base64url.encode(JSON.stringify(part));
}
