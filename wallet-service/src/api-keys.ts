import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { ApiKeyService } from "@pelikuni/gen/auth/v1/api_key_service_pb";
import { type ApiKeyLookup, createApiKeyLookup } from "@pelikuni/runtime/access/api-key-lookup";
import type { AuthConfiguration } from "@pelikuni/runtime/access/auth-configuration";
import { knownScopes } from "@pelikuni/runtime/access/known-scopes";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { type RpcService, rpcService } from "@pelikuni/runtime/rpc-server";
import type { Logger } from "pino";
import { findUnrevokedApiKeys } from "./api-key-store.ts";
import { ensureInitialApiKeys } from "./initial-api-keys.ts";
import { apiKeyRpc } from "./rpc/api-key-rpc.ts";
import { orUnavailable } from "./rpc/reads.ts";

/** The keys of machines, as this service keeps them. */
export interface ApiKeys {
  readonly service: RpcService;
  readonly lookup: ApiKeyLookup;
}

/**
 * Makes sure that the configured keys exist, and serves them all.
 *
 * @param options.descriptorSet the whole contract: its methods tell which scopes there are
 */
export async function openApiKeys(options: {
  readonly auth: AuthConfiguration;
  readonly pool: DatabaseClient;
  readonly descriptorSet: Uint8Array;
  readonly newId: () => string;
  readonly now: () => number;
  readonly logger: Logger;
}): Promise<ApiKeys> {
  const { pool, now } = options;
  const contract = createFileRegistry(fromBinary(FileDescriptorSetSchema, options.descriptorSet));
  const scopes = knownScopes(contract);
  await ensureInitialApiKeys({ ...options, scopes });
  const lookup = createApiKeyLookup({
    read: (hashes) => orUnavailable(pool.read((sql) => findUnrevokedApiKeys(sql, hashes))),
    now,
  });
  const service = rpcService(ApiKeyService, apiKeyRpc({ ...options, scopes, lookup }));
  return { service, lookup };
}
