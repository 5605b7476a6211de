import { hash } from "node:crypto";
import { createBatchReader } from "../batch-reader.ts";
import { apiKeyIssuer, type Caller } from "./caller.ts";

/** A key that is neither revoked nor expired. */
export interface ValidApiKey {
  readonly id: string;
  readonly owner: string;
  readonly scopes: readonly string[];
  /** From this instant on it is not valid, milliseconds since 1970; undefined: it does not expire. */
  readonly expireTimeMs: number | undefined;
}

/** Finds out who has an API key. */
export interface ApiKeyLookup {
  /**
   * Who has the key with this secret; undefined when no valid key has it.
   *
   * @throws what the reading throws, when the key is not known and cannot be read
   */
  find(secret: string): Promise<Caller | undefined>;
  /** Forgets what is known of a key that has just been revoked. */
  forget(secretHash: string): void;
}

/** How long a revoked key may still be taken for a valid one, by those who did not revoke it. */
export const apiKeyKeptMs = 10_000;

// Of each kind, so that keys somebody makes up cannot push out those that are valid.
const keysKeptMax = 10_000;

/** What was read of a key; without a caller: that there is no valid one. */
interface Reading {
  readonly caller: Caller | undefined;
  readonly expireTimeMs: number;
  readonly askedAtMs: number;
}

/**
 * Creates a lookup that remembers for {@link apiKeyKeptMs} what it has read, of a bounded number of
 * keys. However many different keys somebody makes up, few readings are under way at once, for many
 * keys each.
 *
 * @param options.read reads keys by the hashes of their secrets; those that are not valid are missing
 * @param options.now the wall clock, milliseconds since 1970
 */
export function createApiKeyLookup({
  read,
  now,
}: {
  readonly read: (secretHashes: string[]) => Promise<ReadonlyMap<string, ValidApiKey>>;
  readonly now: () => number;
}): ApiKeyLookup {
  const reader = createBatchReader(read);
  const valid = new Map<string, Reading>();
  const invalid = new Map<string, Reading>();
  let revocations = 0;

  function keep(secretHash: string, reading: Reading): void {
    const readings = reading.caller === undefined ? invalid : valid;
    forget(secretHash);
    readings.set(secretHash, reading);
    if (readings.size <= keysKeptMax) return;
    const oldest = readings.keys().next();
    if (!oldest.done) readings.delete(oldest.value);
  }

  function forget(secretHash: string): void {
    valid.delete(secretHash);
    invalid.delete(secretHash);
  }

  return {
    async find(secret) {
      const secretHash = apiKeyHash(secret);
      const nowMs = now();
      const kept = valid.get(secretHash) ?? invalid.get(secretHash);
      if (kept !== undefined && isFresh(kept, nowMs)) return callerAt(kept, nowMs);
      const revocationsBefore = revocations;
      const reading = readingOf(await reader.read(secretHash), nowMs);
      // Otherwise it may be from before the revocation.
      if (revocations === revocationsBefore) keep(secretHash, reading);
      return callerAt(reading, now());
    },
    forget(secretHash) {
      revocations += 1;
      forget(secretHash);
    },
  };
}

/** SHA-256 of a key's secret, in hexadecimal digits. */
export function apiKeyHash(secret: string): string {
  return hash("sha256", secret, "hex");
}

function readingOf(key: ValidApiKey | undefined, askedAtMs: number): Reading {
  const caller = key && {
    issuer: apiKeyIssuer,
    subject: key.owner,
    client: key.id,
    scopes: new Set(key.scopes),
    isUser: false,
  };
  return { caller, expireTimeMs: key?.expireTimeMs ?? Number.POSITIVE_INFINITY, askedAtMs };
}

// A clock that was set back must not make it last.
function isFresh({ askedAtMs }: Reading, nowMs: number): boolean {
  return nowMs >= askedAtMs && nowMs < askedAtMs + apiKeyKeptMs;
}

function callerAt({ caller, expireTimeMs }: Reading, nowMs: number): Caller | undefined {
  return nowMs < expireTimeMs ? caller : undefined;
}
