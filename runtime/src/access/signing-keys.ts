import { setTimeout as pause } from "node:timers/promises";
import {
  createLocalJWKSet,
  errors,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
  type LocalJWKSet,
} from "jose";
import { z } from "zod";
import type { Logger } from "../logger.ts";
import { secureUrl } from "./auth-configuration.ts";

/** The public keys of one issuer, fetched from it and kept while it does not answer. */
export interface SigningKeys extends Disposable {
  /**
   * The key that a token names. When no known key fits, the issuer may have new ones: they are
   * fetched, and the token waits for them.
   *
   * @throws KeysUnavailable when it cannot be told; an error of jose when there is no such key
   */
  readonly find: JWTVerifyGetKey;
  /** Changes when the keys do; undefined while none may be used. What was verified holds as long. */
  version(): number | undefined;
}

/** What keys are fetched by. */
export interface SigningKeysOptions {
  readonly issuer: string;
  /** Left out: where the issuer's OpenID configuration says. */
  readonly jwksUrl: string | undefined;
  readonly refreshMs: number;
  /** How long keys are used while the issuer does not answer. */
  readonly keptMs: number;
  /** The wall clock, milliseconds since 1970. */
  readonly now: () => number;
  readonly logger: Logger;
}

/** Whether a token is good cannot be told, because its issuer does not answer. */
export class KeysUnavailable extends Error {
  override readonly name = "KeysUnavailable";
}

const fetchTimeoutMs = 3_000;
const documentBytesMax = 1_048_576;
// Tokens with made-up key ids must not turn into a flood at the issuer, nor hold calls open.
const fetchSpacingMs = 1_000;
const waitingMax = 100;
// One fetch may have begun before the issuer changed its keys.
const fetchesPerTokenMax = 2;

const discoverySchema = z.object({ issuer: z.string(), jwks_uri: secureUrl });
const keySetSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string() })) });

/** Begins to fetch the keys at once; a service starts all the same while the issuer is away. */
export function createSigningKeys(options: SigningKeysOptions): SigningKeys {
  const { refreshMs, keptMs, now, logger } = options;
  const stop = new AbortController();
  let known: { readonly find: LocalJWKSet; readonly text: string } | undefined;
  let version = 0;
  let knownUntilMs = 0;
  let nextFetchMs = 0;
  let fetching: Promise<void> | undefined;
  let waiting = 0;

  async function fetchSpaced(): Promise<void> {
    await pause(Math.max(0, nextFetchMs - performance.now()), undefined, { signal: stop.signal });
    nextFetchMs = performance.now() + fetchSpacingMs;
    const keys = await fetchKeys(options, stop.signal);
    const text = JSON.stringify(keys);
    if (text !== known?.text) {
      known = { find: createLocalJWKSet(keys), text };
      version += 1;
      const keyIds = keys.keys.map(({ kid }) => kid);
      logger.info({ issuer: options.issuer, keyIds }, "The issuer's keys are known");
    }
    knownUntilMs = now() + keptMs;
  }

  function refresh(): Promise<void> {
    fetching ??= fetchSpaced().finally(() => {
      fetching = undefined;
    });
    return fetching;
  }

  async function refreshOrWarn(): Promise<void> {
    try {
      await refresh();
    } catch (error) {
      if (stop.signal.aborted) return;
      const { issuer } = options;
      logger.warn({ issuer, error }, "The issuer's keys cannot be fetched; known ones are kept");
    }
  }

  const usable = (): LocalJWKSet | undefined => (now() < knownUntilMs ? known?.find : undefined);

  async function findAfterFetch(...token: Parameters<JWTVerifyGetKey>): ReturnType<typeof find> {
    if (waiting >= waitingMax) throw new KeysUnavailable("Too many tokens wait for unknown keys");
    waiting += 1;
    try {
      for (let fetches = 1; ; fetches += 1) {
        await refresh().catch((error: unknown) => {
          throw new KeysUnavailable("The issuer's keys cannot be fetched", { cause: error });
        });
        try {
          return await find(...token);
        } catch (error) {
          if (fetches === fetchesPerTokenMax || !isUnknownKey(error)) throw error;
        }
      }
    } finally {
      waiting -= 1;
    }
  }

  async function find(...token: Parameters<JWTVerifyGetKey>): ReturnType<LocalJWKSet> {
    const keys = usable();
    if (keys === undefined) throw new errors.JWKSNoMatchingKey();
    return await keys(...token);
  }

  const timer = setInterval(refreshOrWarn, refreshMs);
  timer.unref();
  void refreshOrWarn();
  return {
    async find(...token) {
      try {
        return await find(...token);
      } catch (error) {
        if (!isUnknownKey(error)) throw error;
        return await findAfterFetch(...token);
      }
    },
    version: () => (usable() ? version : undefined),
    [Symbol.dispose]() {
      clearInterval(timer);
      stop.abort();
    },
  };
}

function isUnknownKey(error: unknown): boolean {
  return error instanceof errors.JWKSNoMatchingKey;
}

async function fetchKeys(
  { issuer, jwksUrl }: SigningKeysOptions,
  stop: AbortSignal,
): Promise<JSONWebKeySet> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(fetchTimeoutMs)]);
  const url = jwksUrl ?? (await discoverKeys(issuer, signal));
  return keySetSchema.parse(await fetchJson(url, signal));
}

/** OpenID Connect Discovery 1.0, section 4: the document must name the issuer that it is of. */
async function discoverKeys(issuer: string, signal: AbortSignal): Promise<string> {
  const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const found = discoverySchema.parse(await fetchJson(url, signal));
  if (found.issuer === issuer) return found.jwks_uri;
  throw new Error(`${url} is the configuration of the issuer ${found.issuer}`);
}

async function fetchJson(url: string, signal: AbortSignal): Promise<unknown> {
  // A redirection could lead from https to http.
  const options = { signal, headers: { accept: "application/json" }, redirect: "error" } as const;
  const response = await fetch(url, options);
  if (!response.ok || response.body === null) {
    throw new Error(`${url} answered with status ${response.status}`);
  }
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body) {
    bytes += part.byteLength;
    if (bytes > documentBytesMax) throw new Error(`${url} answered more than a document of keys`);
    parts.push(part);
  }
  return JSON.parse(Buffer.concat(parts).toString("utf8"));
}
