import {
  type ApiKey,
  ApiKeyService,
  type Principal,
} from "@pelikuni/gen/auth/v1/api_key_service_pb";
import * as rest from "./api-key-schema.ts";
import type { RestServer } from "./http-server.ts";
import { pageOf } from "./request-mapping.ts";
import { parseInstant } from "./rest-instants.ts";
import { answered, instant, nextPageHeaders } from "./rest-mapping.ts";
import type { CallRpc } from "./rpc-calls.ts";

const rpc = ApiKeyService.method;

/** Keys of machines. */
export function registerApiKeyRoutes(app: RestServer, call: CallRpc): void {
  app.post("/api-keys", { schema: rest.createApiKey }, async ({ body, headers }, reply) => {
    const { owner, description = "", scopes, expire_time } = body;
    const { apiKey, secret } = await call(reply, rpc.createApiKey, {
      owner,
      description,
      scopes,
      ...(expire_time !== undefined && { expireTime: parseInstant("expire_time", expire_time) }),
      requestId: headers["idempotency-key"] ?? "",
    });
    // The only answer with a secret in it: nothing on its way may keep it.
    reply.code(201).header("Cache-Control", "no-store");
    return { api_key: apiKeyBody(apiKey), secret };
  });

  app.get("/api-keys", { schema: rest.listApiKeys }, async ({ query }, reply) => {
    const page = pageOf(query, rest.apiKeysDefault);
    const { owner = "" } = query;
    const { apiKeys, nextPageToken } = await call(reply, rpc.listApiKeys, { owner, ...page });
    const again = { ...(owner && { owner }), page_size: String(page.pageSize) };
    reply.headers(nextPageHeaders("/api-keys", again, nextPageToken));
    return apiKeys.map(apiKeyBody);
  });

  const revoke = { schema: rest.revokeApiKey };
  app.post("/api-keys/:api_key_id/revoke", revoke, async ({ params }, reply) => {
    const { apiKey } = await call(reply, rpc.revokeApiKey, { id: params.api_key_id });
    return apiKeyBody(apiKey);
  });
}

function apiKeyBody(apiKey: ApiKey | undefined): rest.ApiKeyBody {
  const { id, owner, description, prefix, scopes, createTime, ...others } = answered(apiKey);
  const { expireTime, createdBy, revokeTime, revokedBy } = others;
  return {
    id,
    owner,
    description,
    prefix,
    scopes,
    create_time: instant(createTime),
    ...(expireTime && { expire_time: instant(expireTime) }),
    ...(createdBy && { created_by: principalBody(createdBy) }),
    ...(revokeTime && { revoke_time: instant(revokeTime) }),
    ...(revokedBy && { revoked_by: principalBody(revokedBy) }),
  };
}

function principalBody({ issuer, subject, client }: Principal): Omit<Principal, "$typeName"> {
  return { issuer, subject, client };
}
