import { apiKeyHash } from "@pelikuni/runtime/access/api-key-lookup";
import type { AuthConfiguration } from "@pelikuni/runtime/access/auth-configuration";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import type { Logger } from "pino";
import { shownPrefix } from "./api-key-secret.ts";
import { findApiKeyBySecret, insertApiKey, listApiKeys } from "./api-key-store.ts";

const historyScopes = ["history:read", "api_keys:check"];

/**
 * Makes sure that the keys exist whose secrets the configuration gives: otherwise nobody could create
 * the first one. Any number of replicas may do so at once. One that was revoked stays so. Where only
 * keys are accepted and there is none, a warning says so.
 *
 * @param options.scopes all that there are
 */
export async function ensureInitialApiKeys(options: {
  readonly auth: AuthConfiguration;
  readonly scopes: readonly string[];
  readonly pool: DatabaseClient;
  readonly newId: () => string;
  readonly now: () => number;
  readonly logger: Logger;
}): Promise<void> {
  const { auth, pool, logger } = options;
  const wanted = [
    { name: "initial_api_key", owner: "initial", scopes: options.scopes },
    { name: "initial_history_api_key", owner: "history-service", scopes: historyScopes },
  ] as const;
  for (const { name, owner, scopes } of wanted) {
    const secret = auth[name];
    if (secret === undefined) continue;
    const key = {
      id: options.newId(),
      secretHash: apiKeyHash(secret),
      owner,
      description: `auth.${name} of the configuration`,
      prefix: shownPrefix(secret),
      scopes,
      createTimeMs: options.now(),
      expireTimeMs: undefined,
      createdBy: undefined,
      requestKey: undefined,
    };
    const created = await pool.call((sql) => insertApiKey(sql, key));
    if (created)
      logger.info({ apiKeyId: key.id, owner, scopes }, "An initial API key was created.");
    const found = await pool.read((sql) => findApiKeyBySecret(sql, key.secretHash));
    if (found?.revokeTimeMs === undefined) continue;
    logger.warn({ apiKeyId: found.id, owner }, `auth.${name} was revoked: take it out.`);
  }
  if (!auth.api_keys || auth.issuers.length > 0 || auth.certificates.length > 0) return;
  const [any] = await pool.read((sql) => listApiKeys(sql, { limit: 1 }));
  if (any !== undefined) return;
  logger.warn("Nobody can call: there is no API key. APP__AUTH__INITIAL_API_KEY gives the first.");
}
