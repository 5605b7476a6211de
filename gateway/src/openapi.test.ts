import { createRouterTransport } from "@connectrpc/connect";
import { createLogger } from "@pelikuni/runtime/logger";
import { Validator } from "@seriousme/openapi-schema-validator";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { collectOpenApi, serveDocumentation } from "./documentation.ts";
import { createHttpServer } from "./http-server.ts";
import { registerRoutes } from "./routes.ts";
import { rpcCaller } from "./rpc-calls.ts";
import { rpcStreamer } from "./rpc-streams.ts";
import { gatewaySchema } from "./start-gateway.ts";

const parameterSchema = z.looseObject({ name: z.string(), in: z.string() });
const operationSchema = z.looseObject({
  operationId: z.string(),
  summary: z.string(),
  description: z.string(),
  tags: z.array(z.string()),
  parameters: z.array(parameterSchema).default([]),
  requestBody: z.looseObject({ required: z.boolean().default(false) }).optional(),
  responses: z.record(z.string(), z.looseObject({ description: z.string() })),
  security: z.array(z.unknown()).optional(),
});
const documentSchema = z.looseObject({
  tags: z.array(z.looseObject({ name: z.string() })),
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
});

interface Operation extends z.output<typeof operationSchema> {
  readonly method: string;
  readonly path: string;
}

const logger = createLogger("test", { level: "silent", format: "json" });
const configuration = gatewaySchema.parse({});
const app = createHttpServer(configuration, logger);
/** The pages about the interface are no part of it. */
const pages = /^\/(docs(\/.*)?|openapi\.json)?$/;
const registered: string[] = [];
let text = "";
let document: z.output<typeof documentSchema>;
let operations: Operation[];

beforeAll(async () => {
  app.addHook("onRoute", ({ method, url }) => {
    for (const one of [method].flat()) registered.push(`${one} ${url}`);
  });
  const call = rpcCaller(
    createRouterTransport(() => undefined),
    configuration,
  );
  const historyStream = rpcStreamer(
    createRouterTransport(() => undefined),
    configuration,
    logger,
  );
  await collectOpenApi(app);
  registerRoutes(app, { wallets: call, history: call, historyStream });
  await serveDocumentation(app);
  text = (await app.inject("/openapi.json")).body;
  document = documentSchema.parse(JSON.parse(text));
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, method, path })),
  );
});

afterAll(() => app.close());

test("the document is valid OpenAPI 3.1", async () => {
  const { valid, errors } = await new Validator().validate(JSON.parse(text));
  expect(errors).toBeUndefined();
  expect(valid).toBe(true);
  expect(JSON.parse(text)).toMatchObject({ openapi: "3.1.0" });
});

test("what breaks the rules of OpenAPI would be found", async () => {
  const broken = text.replace('"in":"path"', '"in":"body"');
  expect((await new Validator().validate(JSON.parse(broken))).valid).toBe(false);
});

test("the document has every route of the gateway, and no other", () => {
  const routes = registered.filter((route) => {
    const [method, url = ""] = route.split(" ");
    // What a GET answers, a HEAD answers without a body.
    return method !== "HEAD" && !pages.test(url);
  });
  const documented = operations.map(
    ({ method, path }) => `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ":$1")}`,
  );
  expect(new Set(documented)).toEqual(new Set(routes));
  expect(documented.length).toBeGreaterThan(25);
});

test("every documented path is there, and takes its method", async () => {
  for (const { method, path } of operations) {
    const url = path.replaceAll(/\{\w+\}/g, "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1");
    const upper = z.enum(["GET", "POST", "PATCH"]).parse(method.toUpperCase());
    const answer = await app.inject({ method: upper, url });
    const reason = answer.body.startsWith("{") ? answer.json().reason : undefined;
    expect([405, "NO_SUCH_PATH"], `${method} ${path}`).not.toContain(answer.statusCode);
    expect(reason, `${method} ${path}`).not.toBe("NO_SUCH_PATH");
  }
});

test("operations have names of their own, tags that are explained, and say what goes wrong", () => {
  const names = operations.map(({ operationId }) => operationId);
  expect(new Set(names).size).toBe(names.length);
  const tags = document.tags.map(({ name }) => name);
  for (const { operationId, tags: own, responses } of operations) {
    expect(tags, operationId).toEqual(expect.arrayContaining(own));
    if (operationId !== "health") expect(Object.keys(responses), operationId).toContain("503");
  }
});

test("every operation but health asks for a bearer token, which the page can be given", () => {
  expect(JSON.parse(text)).toMatchObject({
    security: [{ bearer: [] }],
    components: { securitySchemes: { bearer: { type: "http", scheme: "bearer" } } },
  });
  for (const { operationId, security, responses } of operations) {
    const isOpen = operationId === "health";
    expect(security, operationId).toEqual(isOpen ? [] : undefined);
    expect("401" in responses, operationId).toBe(!isOpen);
  }
});

test("every mutation takes an Idempotency-Key, says what If-Match does, and a body that is required only where it is", () => {
  const withoutBody = [
    "freezeWallet",
    "unfreezeWallet",
    "closeWallet",
    "releaseHold",
    "reverseTransaction",
    "revokeApiKey",
  ];
  for (const { method, operationId, parameters, requestBody, responses } of operations) {
    const headers = parameters.filter((one) => one.in === "header").map(({ name }) => name);
    const isMutation = method !== "get";
    expect(headers.includes("Idempotency-Key"), operationId).toBe(isMutation);
    expect(headers.includes("If-Match"), operationId).toBe(isMutation);
    if (!isMutation) continue;
    expect(Object.keys(responses), operationId).toEqual(expect.arrayContaining(["400", "422"]));
    expect(requestBody?.required, operationId).toBe(!withoutBody.includes(operationId));
  }
});
