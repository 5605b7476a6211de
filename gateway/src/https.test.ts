import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingHttpHeaders } from "node:http";
import { Agent, type RequestOptions, request } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import { createRouterTransport } from "@connectrpc/connect";
import { createTestAuthority, writeCertificate } from "@pelikuni/e2e/test-certificates";
import { createLogger } from "@pelikuni/runtime/logger";
import { OperatorError } from "@pelikuni/runtime/operator-error";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Gateway, gatewaySchema, startGateway } from "./start-gateway.ts";

const directory = mkdtempSync(path.join(tmpdir(), "pelikuni-https-"));
const lines: string[] = [];
const logger = createLogger(
  "test",
  { level: "info", format: "json" },
  { write: (line) => lines.push(line) },
);
const walletTransport = createRouterTransport(() => undefined);
const known = createTestAuthority();
const reloadTimeoutMs = 15_000;
const promptMs = 5_000;
const requestTimeoutMs = 1_000;

const files = writeCertificate(directory, known, { commonName: "first", names: ["localhost"] });
const { certificate_file, key_file } = files;
const ca = readFileSync(files.ca_file);
let gateway: Gateway;

beforeAll(async () => {
  gateway = await start({ certificate_file, key_file });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

async function start(tls: object, host = "127.0.0.1"): Promise<Gateway> {
  const configuration = gatewaySchema.parse({
    host,
    port: 0,
    tls,
    request_timeout_ms: requestTimeoutMs,
  });
  return await startGateway({
    configuration,
    logger,
    walletTransport,
    historyTransport: walletTransport,
  });
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function get(options: RequestOptions): Promise<Answer> {
  const call = request({ host: "localhost", port: gateway.port, path: "/health", ca, ...options });
  const answered = once(call, "response");
  call.end();
  const [response] = await answered;
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

test("REST is answered over TLS, and browsers are told to insist on it", async () => {
  const { status, headers, body } = await get({});
  expect({ status, body }).toEqual({ status: 200, body: '{"status":"ok"}' });
  expect(headers).toMatchObject({
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
  });
});

test("a client that trusts another authority, or expects another host, does not speak", async () => {
  const other = createTestAuthority().certificate;
  await expect(get({ ca: other })).rejects.toThrow(/certificate/);
  await expect(get({ host: "127.0.0.1" })).rejects.toThrow(/altnames/);
});

test("an unencrypted request gets no answer", async () => {
  const socket = connect(gateway.port, "127.0.0.1");
  await once(socket, "connect");
  socket.write("GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
  const answer = await text(socket).catch(() => "");
  expect(answer).not.toContain("HTTP/");
});

test("where client certificates are required, nobody else is answered", async () => {
  const client = { client_certificates: "required", ca_file: files.ca_file };
  await using closed = await start({ certificate_file, key_file, ...client });
  const { port } = closed;
  await expect(get({ port })).rejects.toThrow();
  const stranger = createTestAuthority().issue({ commonName: "stranger" });
  await expect(get({ port, cert: stranger.certificate, key: stranger.key })).rejects.toThrow();
  const { certificate: cert, key } = known.issue({ commonName: "proxy" });
  expect((await get({ port, cert, key })).status).toBe(200);
});

test("a changed certificate is shown to new connections, and open ones live on", async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const shown = async (options: RequestOptions = {}): Promise<unknown> => {
    const call = request({
      host: "localhost",
      port: gateway.port,
      path: "/health",
      ca,
      ...options,
    });
    const answered = once(call, "response");
    call.end();
    const [response] = await answered;
    const { CN } = response.socket.getPeerCertificate().subject;
    response.resume();
    await once(response, "end");
    return CN;
  };
  expect(await shown({ agent })).toBe("first");
  const second = known.issue({ commonName: "second", names: ["localhost"] });
  writeFileSync(certificate_file, second.certificate);
  writeFileSync(key_file, second.key);
  await expect.poll(() => shown({ agent: false }), { timeout: reloadTimeoutMs }).toBe("second");
  expect(await shown({ agent })).toBe("first");
  agent.destroy();
});

test("a stop waits for a client that never begins TLS no longer than a request may take", async () => {
  const stopped = await start({ certificate_file, key_file });
  const socket = connect(stopped.port, "127.0.0.1");
  await once(socket, "connect");
  const startMs = performance.now();
  await stopped[Symbol.asyncDispose]();
  expect(performance.now() - startMs).toBeLessThan(promptMs);
  socket.destroy();
});

test("a certificate that cannot be read stops the start with the section and the file", async () => {
  const started = start({ certificate_file: "/nowhere/cert.pem", key_file });
  await expect(started).rejects.toThrow(OperatorError);
  await expect(started).rejects.toThrow(/gateway\.tls \(\/nowhere\/cert\.pem, .*ENOENT/);
});

test.each([
  ["127.0.0.1", 0],
  ["::1", 0],
  ["0.0.0.0", 1],
])("an unencrypted port on %s is warned of %i times", async (host, times) => {
  lines.length = 0;
  const configuration = gatewaySchema.parse({ host, port: 0 });
  await using _gateway = await startGateway({ configuration, logger, walletTransport });
  const warnings = lines.filter((line) => line.includes("gateway.tls"));
  expect(warnings).toHaveLength(times);
});
