import { authSchema } from "@pelikuni/runtime/access/auth-configuration";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import {
  expectProblem,
  type RestAnswer,
  type RestService,
  startRestService,
} from "./rest-service.ts";

const initialKey = "pelikuni_0123456789abcdefghijklmnopqrstuvwxyzABCDEF";
const createdSchema = z.object({ api_key: z.object({ id: z.uuid() }), secret: z.string() });
let service: RestService;

beforeAll(async () => {
  const auth = authSchema.parse({ api_keys: true, initial_api_key: initialKey });
  service = await startRestService({ auth });
});

afterAll(async () => {
  await service[Symbol.asyncDispose]();
});

/** Sends a request as whoever has this secret. */
function send(
  secret: string,
  method: string,
  path: string,
  body?: unknown,
  headers: object = {},
): Promise<RestAnswer> {
  const authorization = `Bearer ${secret}`;
  return service.send(method, path, body, { authorization, ...headers });
}

test("an operator creates a key with curl's means, a machine uses it, and it is revoked", async () => {
  const scopes = ["wallets:read", "wallets:write"];
  const wanted = { owner: "web-shop", description: "Till 3", scopes, expire_time: "2999-01-01" };
  const created = await send(initialKey, "POST", "/api-keys", wanted);
  expect(created.status).toBe(201);
  expect(created.headers.get("cache-control")).toBe("no-store");
  const { api_key: key, secret } = createdSchema.parse(created.body);
  expect(created.body).toMatchObject({
    api_key: {
      ...wanted,
      prefix: secret.slice(0, 17),
      expire_time: "2999-01-01T00:00:00.000Z",
      created_by: { issuer: "api-key", subject: "initial" },
    },
  });
  const wallet = await send(secret, "POST", "/wallets", { user_id: "alice" });
  expect(wallet).toMatchObject({ status: 201, body: { user_id: "alice" } });
  expectProblem(await send(secret, "GET", "/api-keys"), 403, { reason: "PERMISSION_DENIED" });

  const revoked = await send(initialKey, "POST", `/api-keys/${key.id}/revoke`);
  expect(revoked).toMatchObject({ status: 200, body: { id: key.id, revoked_by: {} } });
  const refused = await send(secret, "GET", "/wallets");
  expectProblem(refused, 401, { reason: "UNAUTHENTICATED" });
  expect(refused.headers.get("www-authenticate")).toContain("Bearer");
});

test("keys are listed without secrets, in pages that Link leads through", async () => {
  for (const owner of ["till", "till", "till"]) {
    await send(initialKey, "POST", "/api-keys", { owner, scopes: ["wallets:read"] });
  }
  const first = await send(initialKey, "GET", "/api-keys?owner=till&page_size=2");
  const [, next = ""] = /<([^>]+)>; rel="next"/.exec(first.headers.get("link") ?? "") ?? [];
  const second = await send(initialKey, "GET", next);
  expect(first.body).toMatchObject([{ owner: "till" }, { owner: "till" }]);
  expect(second.body).toMatchObject([{ owner: "till" }]);
  expect(second.headers.get("link")).toBeNull();
  expect(JSON.stringify([first.body, second.body])).not.toContain("secret");
});

test("a repeated creation is refused by name, and so is what breaks a rule", async () => {
  const key = { "Idempotency-Key": "first" };
  const wanted = { owner: "once", scopes: ["wallets:read"] };
  const { api_key } = createdSchema.parse(
    (await send(initialKey, "POST", "/api-keys", wanted, key)).body,
  );
  const again = await send(initialKey, "POST", "/api-keys", wanted, key);
  expectProblem(again, 422, {
    reason: "API_KEY_ALREADY_CREATED",
    detail: expect.stringContaining(api_key.id),
  });
  for (const [body, field] of [
    [{ owner: "", scopes: ["admin"] }, "owner"],
    [{ owner: "x", scopes: [] }, "scopes"],
    [{ owner: "x", scopes: ["admin", "admin"] }, "scopes"],
    [{ owner: "x", scopes: ["admin", "everything"] }, "scopes[1]"],
    [{ owner: "x", scopes: ["admin"], expire_time: "2001-01-01" }, "expire_time"],
    [{ owner: "x", scopes: ["admin"], expires: "2999-01-01" }, "expires"],
  ] as const) {
    const refused = await send(initialKey, "POST", "/api-keys", body);
    expectProblem(refused, 400, { reason: "INVALID_FIELD", errors: [{ field }] });
  }
  const unknown = "/api-keys/0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1/revoke";
  expectProblem(await send(initialKey, "POST", unknown), 404, { reason: "API_KEY_NOT_FOUND" });
});
