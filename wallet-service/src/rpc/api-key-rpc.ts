import { randomBytes } from "node:crypto";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError, type ServiceImpl } from "@connectrpc/connect";
import type { ApiKeyService, CreateApiKeyRequest } from "@pelikuni/gen/auth/v1/api_key_service_pb";
import { type ApiKeyLookup, apiKeyHash } from "@pelikuni/runtime/access/api-key-lookup";
import { permissionDeniedReason } from "@pelikuni/runtime/access/authorization";
import { type Caller, callerOf, principalOf } from "@pelikuni/runtime/access/caller";
import { DatabaseUnavailable } from "@pelikuni/runtime/database-fault";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { rpcError } from "@pelikuni/runtime/rpc-errors";
import { invalidFields } from "@pelikuni/runtime/rpc-validation";
import type { Logger } from "pino";
import { formatSecret, shownPrefix } from "../api-key-secret.ts";
import {
  findApiKey,
  findApiKeyByRequest,
  findUnrevokedApiKeys,
  insertApiKey,
  insertRevocation,
  listApiKeys,
  type RecordedApiKey,
} from "../api-key-store.ts";
import { CommandFault, databaseUnavailable } from "../command-outcome.ts";
import { namedUuid } from "../request-key.ts";
import type { Actor } from "../wallet.ts";
import { faultError } from "../wallet-errors.ts";
import { apiKeyMessage, validKeyMessage } from "./api-key-messages.ts";
import { orUnavailable, readPage } from "./reads.ts";

/** What the handlers work with. */
export interface ApiKeyRpcParts {
  readonly pool: DatabaseClient;
  /** Of this process. */
  readonly lookup: ApiKeyLookup;
  /** The scopes that a key may have. */
  readonly scopes: readonly string[];
  /** Makes the id of a key: a UUIDv7, later ones greater. */
  readonly newId: () => string;
  readonly now: () => number;
  readonly logger: Logger;
}

const secretBytes = 32;

/** The handlers of ApiKeyService. Requests have passed the contract's rules when they get here. */
export function apiKeyRpc(parts: ApiKeyRpcParts): ServiceImpl<typeof ApiKeyService> {
  const { pool, lookup, now, logger } = parts;
  return {
    async createApiKey(message, context) {
      const caller = callerOf(context);
      assertKnown(message.scopes, parts.scopes);
      assertOwn(message.scopes, caller, logger);
      const { requestId } = message;
      const secret = formatSecret(randomBytes(secretBytes));
      const key = newKey(message, secret, caller, parts);
      const created = await orFault(
        pool.call((sql) => insertApiKey(sql, key)),
        requestId,
      );
      if (!created) throw await alreadyCreated(key.requestKey, pool);
      const { id, owner, scopes, createdBy } = key;
      logger.info({ apiKeyId: id, owner, scopes, createdBy }, "An API key was created.");
      return { apiKey: apiKeyMessage(key), secret };
    },

    async listApiKeys({ owner, ...page }) {
      const ofOwner = owner === "" ? {} : { owner };
      const { rows, nextPageToken } = await readPage(page, (wanted) =>
        pool.read((sql) => listApiKeys(sql, { ...wanted, ...ofOwner })),
      );
      return { apiKeys: rows.map(apiKeyMessage), nextPageToken };
    },

    async revokeApiKey({ id: sent }, context) {
      const id = sent.toLowerCase();
      const revokedBy = actorOf(callerOf(context));
      const revocation = { id, atMs: now(), by: revokedBy };
      // As safe to repeat as a call with a request_id.
      await orFault(
        pool.call((sql) => insertRevocation(sql, revocation)),
        id,
      );
      const key = await orUnavailable(pool.read((sql) => findApiKey(sql, id)));
      if (key === undefined) throw notFound(id);
      lookup.forget(key.secretHash);
      logger.info({ apiKeyId: id, owner: key.owner, revokedBy }, "An API key was revoked.");
      return { apiKey: apiKeyMessage(key) };
    },

    async checkApiKeys({ secretHashes }) {
      const hashes = secretHashes.map((bytes) => Buffer.from(bytes).toString("hex"));
      const found = await orUnavailable(pool.read((sql) => findUnrevokedApiKeys(sql, hashes)));
      const valid = [...found].filter(([, { expireTimeMs = Infinity }]) => now() < expireTimeMs);
      return { apiKeys: valid.map(([hash, key]) => validKeyMessage(hash, key)) };
    },
  };
}

function newKey(
  { owner, description, scopes, expireTime: expires, requestId }: CreateApiKeyRequest,
  secret: string,
  caller: Caller,
  { newId, now }: ApiKeyRpcParts,
): RecordedApiKey & { readonly requestKey: string | undefined } {
  return {
    id: newId(),
    secretHash: apiKeyHash(secret),
    owner,
    description,
    prefix: shownPrefix(secret),
    scopes,
    createTimeMs: now(),
    expireTimeMs: expires && timestampMs(expires),
    createdBy: actorOf(caller),
    revokeTimeMs: undefined,
    revokedBy: undefined,
    requestKey: requestId === "" ? undefined : namedUuid(principalOf(caller), requestId),
  };
}

function actorOf({ issuer, subject, client }: Caller): Actor | undefined {
  return issuer === "" ? undefined : { issuer, subject, client };
}

/** @throws ConnectError for a scope that no method asks for: a misspelt one would allow nothing */
function assertKnown(scopes: readonly string[], known: readonly string[]): void {
  const unknown = scopes.findIndex((scope) => !known.includes(scope));
  if (unknown < 0) return;
  const description = `must be one of ${known.join(", ")}`;
  throw invalidFields([{ field: `scopes[${unknown}]`, description }]);
}

/** @throws ConnectError for a scope that the creator could otherwise get in this way */
function assertOwn(scopes: readonly string[], creator: Caller, logger: Logger): void {
  const lacking = scopes.find((scope) => !creator.scopes.has(scope));
  if (lacking === undefined) return;
  const { issuer, subject, client } = creator;
  const why = "An API key was refused: its creator lacks a scope that he wants to give";
  logger.warn({ issuer, subject, client, scope: lacking }, why);
  throw rpcError({
    code: Code.PermissionDenied,
    reason: permissionDeniedReason,
    message: `You do not have the scope ${lacking} yourself, so you cannot give it`,
    metadata: { scope: lacking },
  });
}

async function alreadyCreated(
  requestKey: string | undefined,
  pool: DatabaseClient,
): Promise<ConnectError> {
  const found =
    requestKey && (await orUnavailable(pool.read((sql) => findApiKeyByRequest(sql, requestKey))));
  if (!found) throw new Error("A new key's secret is that of another one.");
  return rpcError({
    code: Code.AlreadyExists,
    reason: "API_KEY_ALREADY_CREATED",
    message:
      `This idempotency key (request_id) has created the key ${found.id}; its secret was answered then, ` +
      "and cannot be again. If you have lost it, revoke that key, and create another one with a new " +
      "request_id",
    metadata: { api_key_id: found.id },
  });
}

function notFound(id: string): ConnectError {
  return rpcError({
    code: Code.NotFound,
    reason: "API_KEY_NOT_FOUND",
    message: "API key not found",
    metadata: { api_key_id: id },
  });
}

/** Says whether something was done where the database does not answer. */
async function orFault<T>(writing: Promise<T>, requestId: string): Promise<T> {
  try {
    return await writing;
  } catch (error) {
    if (!(error instanceof DatabaseUnavailable)) throw error;
    if (!error.maybeExecuted) throw faultError(databaseUnavailable(error), requestId);
    const message = "Whether the change was made is not known; repeat it with the same request_id.";
    throw faultError(new CommandFault("OUTCOME_UNKNOWN", message, error), requestId);
  }
}
