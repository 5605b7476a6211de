import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ApiKeySchema, ValidApiKeySchema } from "@pelikuni/gen/auth/v1/api_key_service_pb";
import type { ValidApiKey } from "@pelikuni/runtime/access/api-key-lookup";
import type { RecordedApiKey } from "../api-key-store.ts";

/** A key as the contract shows it. */
export function apiKeyMessage(key: RecordedApiKey): MessageInitShape<typeof ApiKeySchema> {
  const { id, owner, description, prefix, createTimeMs, expireTimeMs, revokeTimeMs } = key;
  return {
    id,
    owner,
    description,
    prefix,
    scopes: [...key.scopes],
    createTime: timestampFromMs(createTimeMs),
    ...(expireTimeMs !== undefined && { expireTime: timestampFromMs(expireTimeMs) }),
    ...(key.createdBy && { createdBy: key.createdBy }),
    ...(revokeTimeMs !== undefined && { revokeTime: timestampFromMs(revokeTimeMs) }),
    ...(key.revokedBy && { revokedBy: key.revokedBy }),
  };
}

/** A key that is valid now, as the contract shows it to other services. */
export function validKeyMessage(
  secretHash: string,
  { id, owner, scopes, expireTimeMs }: ValidApiKey,
): MessageInitShape<typeof ValidApiKeySchema> {
  return {
    secretHash: Buffer.from(secretHash, "hex"),
    id,
    owner,
    scopes: [...scopes],
    ...(expireTimeMs !== undefined && { expireTime: timestampFromMs(expireTimeMs) }),
  };
}
