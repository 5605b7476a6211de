import { type Static, Type } from "typebox";
import { exactObject } from "./exact-object.ts";
import { idempotencyKey, noIfMatch } from "./mutation-parts.ts";
import { optionalBody } from "./optional-body.ts";
import { textPattern, uuidPattern } from "./rest-patterns.ts";
import { instant, json, link, pageQuery, problems } from "./rest-schema-parts.ts";

/** The number of keys on a page when the client does not say. */
export const apiKeysDefault = 100;

const ownerLengthMax = 100;
const scopesMax = 50;
const tags = ["API keys"];

const principal = Type.Object({
  issuer: Type.String({ description: 'His token\'s issuer, or "api-key", or "certificate".' }),
  subject: Type.String({ description: "Who he is there." }),
  client: Type.String({ description: "The program in his hands, or the id of his key." }),
});

/** A key as REST shows it. */
export const apiKeySchema = Type.Object(
  {
    id: Type.String({ format: "uuid", description: "UUIDv7 in lower case." }),
    owner: Type.String({ description: "Which machine has it.", examples: ["web-shop"] }),
    description: Type.String({ description: "A text for people." }),
    prefix: Type.String({ description: "How its secret begins.", examples: ["pelikuni_3xK9bQzT"] }),
    scopes: Type.Array(Type.String(), { description: "What may be done with it." }),
    create_time: Type.String({ format: "date-time", description: "UTC, milliseconds." }),
    expire_time: Type.Optional(
      Type.String({ format: "date-time", description: "From then on it is not valid." }),
    ),
    created_by: Type.Optional(principal),
    revoke_time: Type.Optional(
      Type.String({ format: "date-time", description: "When it was revoked; none: it was not." }),
    ),
    revoked_by: Type.Optional(principal),
  },
  { $id: "ApiKey", description: "What a machine proves with who it is; without its secret." },
);

/** A key as REST shows it. */
export type ApiKeyBody = Static<typeof apiKeySchema>;

const apiKeyReference = Type.Unsafe<ApiKeyBody>({ $ref: "ApiKey#" });

/** POST /api-keys */
export const createApiKey = {
  operationId: "createApiKey",
  summary: "Create an API key",
  description:
    "Answers its secret, this once: send it as Authorization: Bearer. You can give only scopes that you " +
    "have. A repeat with its Idempotency-Key creates nothing and is 422 API_KEY_ALREADY_CREATED: the " +
    "secret cannot be answered again.",
  tags,
  headers: Type.Object({ ...idempotencyKey, ...noIfMatch("a new key depends on no version") }),
  body: exactObject({
    owner: Type.String({
      minLength: 1,
      maxLength: ownerLengthMax,
      pattern: textPattern,
      description: "Which machine gets it. Keys of one owner share their Idempotency-Keys.",
      examples: ["web-shop"],
    }),
    description: Type.Optional(
      Type.String({ maxLength: 500, pattern: textPattern, description: "A text for people." }),
    ),
    scopes: Type.Array(Type.String({ maxLength: 100, pattern: textPattern }), {
      minItems: 1,
      maxItems: scopesMax,
      description: "What may be done with it.",
      examples: [["wallets:read", "transfers:write"]],
    }),
    expire_time: Type.Optional(instant("From then on it is not valid; without it, until revoked.")),
  }),
  response: {
    201: json(
      "The key, and its secret.",
      Type.Object({ api_key: apiKeyReference, secret: Type.String() }),
      {},
    ),
    ...problems(400, 413, 415, 422, 503, 504),
  },
};

/** GET /api-keys */
export const listApiKeys = {
  operationId: "listApiKeys",
  summary: "List API keys",
  description: "Newest first, those included that were revoked or have expired; no secrets.",
  tags,
  querystring: Type.Object({
    owner: Type.Optional(
      Type.String({
        maxLength: ownerLengthMax,
        pattern: textPattern,
        description: "Only keys of this owner.",
      }),
    ),
    ...pageQuery("keys", apiKeysDefault),
  }),
  response: {
    200: json("One page of keys.", Type.Array(apiKeyReference), link),
    ...problems(400, 503, 504),
  },
};

/** POST /api-keys/:api_key_id/revoke */
export const revokeApiKey = {
  operationId: "revokeApiKey",
  summary: "Revoke an API key for good",
  description:
    "Everywhere within ten seconds. Needs no body, and no Idempotency-Key: revoking it again changes nothing.",
  tags,
  params: Type.Object({
    api_key_id: Type.String({
      format: "uuid",
      pattern: uuidPattern,
      description: "The key's id: a UUID in either case.",
    }),
  }),
  headers: Type.Object({ ...idempotencyKey, ...noIfMatch("a key has no version") }),
  body: exactObject({}, optionalBody),
  response: {
    200: json("The revoked key.", apiKeyReference, {}),
    ...problems(400, 404, 413, 415, 422, 503, 504),
  },
};
