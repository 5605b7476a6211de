import { once } from "node:events";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { Code, ConnectError } from "@connectrpc/connect";
import { createLogger } from "@pelikuni/runtime/logger";
import { rpcError } from "@pelikuni/runtime/rpc-errors";
import { Type } from "typebox";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createHttpServer } from "./http-server.ts";

const bodyBytesMax = 2_048;
const headerBytesMax = 4_096;
const lines: string[] = [];
const logger = createLogger(
  "test",
  { level: "info", format: "json" },
  { write: lines.push.bind(lines) },
);
const app = createHttpServer(
  {
    body_bytes_max: bodyBytesMax,
    header_bytes_max: headerBytesMax,
    connections_max: 20,
    receive_timeout_ms: 1_000,
    keep_alive_timeout_ms: 1_000,
    silence_timeout_ms: 5_000,
  },
  logger,
);
let origin = "";
let port = 0;

beforeAll(async () => {
  const schema = { body: Type.Object({ name: Type.String() }), querystring: Type.Object({}) };
  app.post("/echo", { schema }, ({ body }) => ({ name: body.name }));
  app.get("/echo", () => ({ name: "nobody" }));
  app.get("/fault", () => {
    throw new Error("select secret from vault");
  });
  app.get("/behind", () => {
    throw rpcError({ code: Code.Unavailable, reason: "NOT_COMPLETE_YET", message: "Ask again" });
  });
  app.get("/closed", () => {
    throw rpcError({ code: Code.Unauthenticated, reason: "UNAUTHENTICATED", message: "Say who" });
  });
  app.get("/outage", () => {
    throw new ConnectError("nobody is there", Code.Unavailable);
  });
  origin = await app.listen({ host: "127.0.0.1", port: 0 });
  port = Number(new URL(origin).port);
});

afterAll(() => app.close());

async function post(body: string | Buffer, contentType = "application/json"): Promise<Response> {
  return fetch(`${origin}/echo`, {
    method: "POST",
    body,
    headers: { "Content-Type": contentType },
  });
}

async function expectProblem(response: Response, status: number, problem: object): Promise<void> {
  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe("application/problem+json; charset=utf-8");
  expect(await response.json()).toMatchObject({ type: "about:blank", status, ...problem });
}

/** What the server answers to raw bytes, until it closes the connection. */
async function exchange(bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.write(bytes);
  return text(socket);
}

test("where an unknown caller's request comes from is logged, and nothing that he sends as his secret", async () => {
  const headers = { authorization: "Bearer hidden", "x-forwarded-for": "203.0.113.7" };
  const response = await fetch(`${origin}/closed?token=hidden`, { headers });
  await expectProblem(response, 401, { reason: "UNAUTHENTICATED" });
  const line = lines.find((each) => each.includes("nobody known makes it")) ?? "";
  expect(JSON.parse(line)).toMatchObject({
    level: "warn",
    from: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    forwardedFor: "203.0.113.7",
    method: "GET",
    route: "/closed",
  });
  expect(line).not.toContain("hidden");
});

test("a JSON body is parsed whatever its charset parameter and unknown fields are", async () => {
  const response = await post('{"name":"é","other":1}', "application/json; charset=utf-8");
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ name: "é" });
});

test.each([
  ["", "The body is empty; send a JSON object"],
  ["{", "The body is not valid JSON"],
  ["{'name':'a'}", "The body is not valid JSON"],
  ['{"name":"a","__proto__":{"x":1}}', "__proto__"],
  ['{"name":"a","constructor":{"prototype":{"x":1}}}', "The body is not valid JSON"],
  [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), "The body is not UTF-8"],
])("the body %j is malformed", async (body, detail) => {
  const problem = { reason: "MALFORMED_BODY", detail: expect.stringContaining(detail) };
  await expectProblem(await post(body), 400, problem);
});

test.each(["[]", "null", "7", '"name"', "true"])("the body %s is no JSON object", async (body) => {
  await expectProblem(await post(body), 400, {
    reason: "INVALID_FIELD",
    detail: "body: must be a JSON object",
  });
});

test("a request without a body is told what is missing", async () => {
  const response = await fetch(`${origin}/echo`, { method: "POST" });
  await expectProblem(response, 400, { detail: "body: must be a JSON object" });
});

test.each(["text/plain", "application/x-www-form-urlencoded", "nonsense", "application/xml"])(
  "the content type %s is refused with 415",
  async (contentType) => {
    const response = await post('{"name":"a"}', contentType);
    await expectProblem(response, 415, { reason: "UNSUPPORTED_MEDIA_TYPE" });
  },
);

test("a body up to the limit is read, a larger one is refused with 413", async () => {
  const around = '{"name":""}'.length;
  const largest = await post(`{"name":"${"a".repeat(bodyBytesMax - around)}"}`);
  expect(largest.status).toBe(200);
  for (const length of [bodyBytesMax - around + 1, 5_000_000]) {
    const response = await post(`{"name":"${"a".repeat(length)}"}`);
    await expectProblem(response, 413, { reason: "BODY_TOO_LARGE" });
  }
});

test("an unknown path is 404 and an unknown method 405, whatever the body is", async () => {
  const headers = { "Content-Type": "application/json" };
  const init = { method: "POST", body: "{", headers };
  await expectProblem(await fetch(`${origin}/nothing`, init), 404, { reason: "NO_SUCH_PATH" });
  const response = await fetch(`${origin}/echo?a=b`, { ...init, method: "PUT" });
  expect(response.headers.get("allow")?.split(", ").toSorted()).toEqual(["GET", "HEAD", "POST"]);
  await expectProblem(response, 405, { reason: "METHOD_NOT_ALLOWED" });
  const propfind = await exchange(
    "PROPFIND /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
  );
  expect(propfind).toMatch(/^HTTP\/1.1 405 /);
});

test("a path with a broken percent-encoding is 404", async () => {
  await expectProblem(await fetch(`${origin}/%zz`), 404, { reason: "NO_SUCH_PATH" });
});

test("HEAD answers like GET, without a body", async () => {
  const response = await fetch(`${origin}/echo`, { method: "HEAD" });
  expect(response.status).toBe(200);
  expect(response.headers.get("content-length")).toBe(String('{"name":"nobody"}'.length));
  expect(await response.text()).toBe("");
});

test("a fault is logged with its cause, and the client learns nothing of it", async () => {
  const response = await fetch(`${origin}/fault`);
  const answer = await response.clone().text();
  await expectProblem(response, 500, { reason: "INTERNAL", detail: "Internal error" });
  expect(answer).not.toMatch(/select|stack|\.ts/);
  expect(lines.filter((line) => line.includes("select secret from vault"))).toHaveLength(1);
});

test("an outage is logged once a second, however many requests it fails", async () => {
  const answers = await Promise.all(Array.from({ length: 5 }, () => fetch(`${origin}/outage`)));
  for (const answer of answers) await expectProblem(answer, 503, { reason: "UNAVAILABLE" });
  const told = lines.filter((line) => line.includes("nobody is there"));
  expect(told.map((line) => Object.keys(JSON.parse(line)))).toEqual([
    expect.arrayContaining(["reason", "message"]),
  ]);
  expect(told[0]).not.toMatch(/stack|"error"/);
});

test("history that is a moment behind is nothing to log", async () => {
  const before = lines.length;
  await expectProblem(await fetch(`${origin}/behind`), 503, { reason: "NOT_COMPLETE_YET" });
  expect(lines.slice(before)).toEqual([]);
});

test.each([
  "GET /echo HTTP/1.1",
  "GET /nothing HTTP/1.1",
  "DELETE /echo HTTP/1.1",
  "GET /fault HTTP/1.1",
  "GET /%zz HTTP/1.1",
  "NONSENSE",
])("%j tells browsers neither to guess, to show, to keep, nor to tell the answer", async (line) => {
  const answer = await exchange(`${line}\r\nHost: a\r\nConnection: close\r\n\r\n`);
  const head = answer.split("\r\n\r\n", 1).join("").toLowerCase();
  for (const header of [
    "cache-control: no-store",
    "content-security-policy: default-src 'none'; frame-ancestors 'none'",
    "referrer-policy: no-referrer",
    "x-content-type-options: nosniff",
    "x-frame-options: deny",
  ]) {
    expect(head.split("\r\n").filter((each) => each === header)).toHaveLength(1);
  }
  // Without TLS it would be ignored, and is for the proxy that encrypts.
  expect(head).not.toContain("strict-transport-security");
});

test.each([
  ["NONSENSE\r\n\r\n", 400, "MALFORMED_REQUEST"],
  ["GET /echo HTTP/1.1\r\nHost: a\r\nbad header\r\n\r\n", 400, "MALFORMED_REQUEST"],
  [`GET /echo HTTP/1.1\r\nX: ${"a".repeat(headerBytesMax)}\r\n\r\n`, 431, "HEADERS_TOO_LARGE"],
  [`GET /${"a".repeat(headerBytesMax + 1)} HTTP/1.1\r\n\r\n`, 431, "HEADERS_TOO_LARGE"],
])("bytes that are no request are answered with a problem", async (bytes, status, reason) => {
  const answer = await exchange(bytes);
  const [head = "", body = ""] = answer.split("\r\n\r\n");
  expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(head).toContain("application/problem+json");
  expect(JSON.parse(body)).toMatchObject({ status, reason });
});

test.each([
  "POST /echo HTTP/1.1\r\nHost: a\r\n",
  "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
])("a request that does not arrive in time is answered 408", async (bytes) => {
  const answer = await exchange(bytes);
  expect(answer).toMatch(/^HTTP\/1.1 408 Request Timeout/);
  expect(answer).toContain('"reason":"REQUEST_TIMEOUT"');
});
