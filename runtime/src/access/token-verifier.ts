import { decodeJwt, errors, type JWTPayload, jwtVerify } from "jose";
import type { Logger } from "../logger.ts";
import type { AuthConfiguration } from "./auth-configuration.ts";
import type { Caller } from "./caller.ts";
import { createSigningKeys, type SigningKeys } from "./signing-keys.ts";

/** Checks the tokens of the configured issuers. */
export interface TokenVerifier extends Disposable {
  /**
   * Who holds a token. A token that was found good stays so until it expires or its issuer's keys
   * change, and costs a look-up from then on.
   *
   * @throws TokenRefused, KeysUnavailable
   */
  verify(token: string): Promise<Caller>;
}

/** A token that is not good; the message says why, and nothing of the token. */
export class TokenRefused extends Error {
  override readonly name = "TokenRefused";
}

interface Issuer {
  readonly settings: AuthConfiguration["issuers"][number];
  readonly keys: SigningKeys;
}

interface Verified {
  readonly caller: Caller;
  readonly expiresAtMs: number;
  readonly keys: SigningKeys;
  readonly keysVersion: number;
}

const tokenLengthMax = 8_192;
/** Of issuer, subject and client: they become part of events. */
const nameLengthMax = 255;
// Postgres stores no U+0000, and encoded to UTF-8 two lone surrogates are the same: with the u flag,
// a pair of them is one character outside this range.
const unusable = /[\0\uD800-\uDFFF]/u;
// About 2 KB each.
const verifiedTokensMax = 10_000;

/** @param now the wall clock, milliseconds since 1970 */
export function createTokenVerifier(
  auth: AuthConfiguration,
  logger: Logger,
  now: () => number,
): TokenVerifier {
  const issuers = new Map<string, Issuer>();
  for (const settings of auth.issuers) {
    const keys = createSigningKeys({
      issuer: settings.issuer,
      jwksUrl: settings.jwks_url,
      refreshMs: auth.keys_refresh_seconds * 1_000,
      keptMs: auth.keys_kept_seconds * 1_000,
      now,
      logger,
    });
    issuers.set(settings.issuer, { settings, keys });
  }
  const clockSkewMs = auth.clock_skew_seconds * 1_000;
  const verified = new Map<string, Verified>();

  function remembered(token: string): Caller | undefined {
    const found = verified.get(token);
    if (found === undefined) return undefined;
    const { expiresAtMs, keys, keysVersion } = found;
    if (now() < expiresAtMs + clockSkewMs && keys.version() === keysVersion) return found.caller;
    verified.delete(token);
    return undefined;
  }

  function remember(token: string, found: Verified): void {
    // A Map keeps the order of insertion: the oldest one goes.
    const [oldest] = verified.size >= verifiedTokensMax ? verified.keys() : [];
    if (oldest !== undefined) verified.delete(oldest);
    verified.set(token, found);
  }

  async function verifyNew(token: string): Promise<Caller> {
    if (token.length > tokenLengthMax) {
      throw new TokenRefused(`it is longer than ${tokenLengthMax} characters`);
    }
    const issuer = issuers.get(issuerOf(token));
    if (issuer === undefined) throw new TokenRefused("its issuer (iss) is not trusted here");
    const { settings, keys } = issuer;
    const keysVersion = keys.version();
    const { payload } = await jwtVerify(token, keys.find, {
      issuer: settings.issuer,
      audience: settings.audience,
      algorithms: settings.algorithms,
      clockTolerance: auth.clock_skew_seconds,
      currentDate: new Date(now()),
      requiredClaims: ["sub", "exp"],
    }).catch((error: unknown) => {
      throw refusalOf(error, settings.audience);
    });
    const caller = callerOfClaims(payload, settings);
    const expiresAtMs = (payload.exp ?? 0) * 1_000;
    // Without keys at its begin there is nothing that it could be compared with.
    if (keysVersion !== undefined) remember(token, { caller, expiresAtMs, keys, keysVersion });
    return caller;
  }

  return {
    verify: async (token) => remembered(token) ?? (await verifyNew(token)),
    [Symbol.dispose]() {
      for (const { keys } of issuers.values()) keys[Symbol.dispose]();
    },
  };
}

function issuerOf(token: string): string {
  try {
    return decodeJwt(token).iss ?? "";
  } catch {
    throw new TokenRefused("it is neither a JSON Web Token nor an API key");
  }
}

function callerOfClaims(
  claims: JWTPayload,
  { issuer, users, scopes: possible }: Issuer["settings"],
): Caller {
  const { sub, cnf, scope, scp, client_id, azp } = claims;
  if (cnf !== undefined) {
    throw new TokenRefused("it is bound to a key (cnf), and is not accepted from its bearer alone");
  }
  const subject = textOf(sub);
  const client = textOf(client_id) || textOf(azp);
  const names = [issuer, subject, client];
  if (subject === "" || names.some((name) => name.length > nameLengthMax || unusable.test(name))) {
    const description = `iss, sub and client_id must be texts of at most ${nameLengthMax} characters`;
    throw new TokenRefused(`${description}, and sub of at least one`);
  }
  // Where a client acts for itself, its id is the subject (RFC 9068, section 2.2), and no user.
  const isUser = users && subject !== client;
  const claimed = scopesOf(scope ?? scp);
  const scopes = new Set(claimed.filter((one) => possible?.includes(one) ?? true));
  return { issuer, subject, client, scopes, isUser };
}

/** Nobody has looked at what kind of value a claim is. */
function textOf(claim: unknown): string {
  return typeof claim === "string" ? claim : "";
}

/** One text with spaces between (RFC 8693, section 4.2), or a list, as some issuers write it. */
function scopesOf(claim: unknown): string[] {
  if (typeof claim === "string") return claim.split(" ");
  return Array.isArray(claim) ? claim.filter((one) => typeof one === "string") : [];
}

/** Claims are looked at once the signature is good: who is told of them has a token of the issuer. */
function refusalOf(error: unknown, audience: string): unknown {
  if (error instanceof errors.JWTExpired) return new TokenRefused("it has expired");
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === "aud") {
      return new TokenRefused(
        `it is for another audience; its claim "aud" must have "${audience}"`,
      );
    }
    return new TokenRefused(`its claim "${error.claim}" is not what it must be`);
  }
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported) {
    return new TokenRefused("it is signed by an algorithm (alg) that is not accepted");
  }
  if (error instanceof errors.JWKSNoMatchingKey) {
    return new TokenRefused("its issuer has no such key (kid)");
  }
  if (error instanceof errors.JWKSMultipleMatchingKeys) {
    return new TokenRefused("it does not name its key (kid), and several fit");
  }
  if (error instanceof errors.JOSEError) return new TokenRefused("its signature is not valid");
  return error;
}
