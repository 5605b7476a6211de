import { once } from "node:events";
import { connect } from "node:net";
import { createRouterTransport } from "@connectrpc/connect";
import { createLogger } from "@pelikuni/runtime/logger";
import { OperatorError } from "@pelikuni/runtime/operator-error";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Gateway, gatewaySchema, startGateway } from "./start-gateway.ts";

const logger = createLogger("test", { level: "silent", format: "json" });
const walletTransport = createRouterTransport(() => undefined);
let gateway: Gateway;
let origin = "";

beforeAll(async () => {
  const configuration = gatewaySchema.parse({ port: 0 });
  gateway = await startGateway({ configuration, logger, walletTransport });
  origin = `http://127.0.0.1:${gateway.port}`;
});

afterAll(() => gateway[Symbol.asyncDispose]());

test("the home page is HTML that needs nothing from elsewhere and names this service", async () => {
  const response = await fetch(origin);
  const page = await response.text();
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toMatch(/^text\/html/);
  expect(page).toContain(`curl 127.0.0.1:${gateway.port}/wallets`);
  expect(page).not.toMatch(/<script|https?:\/\//);
});

test("the documentation page loads only files that the service itself has", async () => {
  const response = await fetch(`${origin}/docs`);
  const page = await response.text();
  expect(response.headers.get("content-security-policy")).toContain("default-src 'self'");
  expect(page).not.toMatch(/https?:|<script>/);
  const files = [...page.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]);
  expect(files).toHaveLength(4);
  for (const file of files) {
    const served = await fetch(`${origin}/${file}`);
    expect((await served.text()).length, file).toBeGreaterThan(0);
    expect(served.status, file).toBe(200);
  }
  expect(await (await fetch(`${origin}/docs/`)).text()).toBe(page);
});

test.each([
  ["/", "default-src 'none'; style-src 'unsafe-inline'"],
  ["/docs", "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"],
])("the page %s runs nothing of others, and stands in no frame", async (page, allowed) => {
  const { headers } = await fetch(origin + page);
  expect(headers.get("content-security-policy")).toBe(
    `${allowed}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  );
  expect(headers.get("x-content-type-options")).toBe("nosniff");
  expect(headers.get("x-frame-options")).toBe("DENY");
});

test.each(["/docs/package.json", "/docs/index.html", "/docs/..%2fpackage.json", "/docs/nothing"])(
  "%s is not served",
  async (path) => {
    const response = await fetch(origin + path);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ reason: "NO_SUCH_PATH" });
  },
);

test("the OpenAPI document describes every route, its headers, bodies and problems", async () => {
  const response = await fetch(`${origin}/openapi.json`);
  const parameter = (name: string): unknown => expect.objectContaining({ name });
  const wallet = { "application/json": { schema: { $ref: "#/components/schemas/Wallet" } } };
  const problem = {
    "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
  };
  expect(await response.json()).toMatchObject({
    openapi: "3.1.0",
    paths: {
      "/health": { get: {} },
      "/transactions/{transaction_id}": { get: {} },
      "/users/{user_id}/wallets": { get: {} },
      "/wallets": { get: {}, post: {} },
      "/wallets/{id}": { get: {} },
      "/wallets/{id}/balance": { get: {} },
      "/wallets/{id}/fund": { post: {} },
      "/wallets/{id}/history": {
        get: {
          parameters: expect.arrayContaining(["from", "kind", "min_position"].map(parameter)),
        },
      },
      "/wallets/{id}/statement": {
        get: { responses: { 200: { content: { "application/json": {}, "text/csv": {} } } } },
      },
      "/wallets/{id}/transfer": {
        post: {
          parameters: expect.arrayContaining(["id", "Idempotency-Key", "If-Match"].map(parameter)),
          requestBody: { content: { "application/json": { schema: { type: "object" } } } },
          responses: {
            200: { content: wallet, headers: { "Transaction-Id": {}, Position: {} } },
            412: { content: problem },
          },
        },
      },
    },
    components: { schemas: { Entry: {}, Wallet: { properties: { balance: { type: "string" } } } } },
  });
});

test("health says that the gateway runs", async () => {
  expect(await (await fetch(`${origin}/health`)).json()).toEqual({ status: "ok" });
});

test("a port that is taken stops the start with the port and the setting that changes it", async () => {
  const configuration = gatewaySchema.parse({ port: gateway.port });
  const started = startGateway({ configuration, logger, walletTransport });
  await expect(started).rejects.toThrow(OperatorError);
  await expect(started).rejects.toThrow(new RegExp(`${gateway.port}.*APP__GATEWAY__PORT`));
});

test("a stop does not wait for a client that never reads its answer", async () => {
  const configuration = gatewaySchema.parse({ port: 0, request_timeout_ms: 100 });
  const stopped = await startGateway({ configuration, logger, walletTransport });
  const client = connect(stopped.port, "127.0.0.1").pause();
  await once(client, "connect");
  client.write("GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: a\r\n\r\n");
  await once(client, "readable");
  await stopped[Symbol.asyncDispose]();
  client.destroy();
});
