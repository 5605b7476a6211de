import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, type ConnectError } from "@connectrpc/connect";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { GetWalletRequestSchema } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorOfStatus } from "../src/grpc-js-status.ts";
import { corsOrigin, startTestServer, type TestServer, walletId } from "./rpc-test-server.ts";

const getWallet = "/pelikuni.wallet.v1.WalletService/GetWallet";
const messageBytesMax = 4_096;

let running: TestServer;
let grpc: Client;
let calls = 0;

beforeAll(async () => {
  running = await startTestServer({
    handlers: {
      getWallet: () => {
        calls += 1;
        return {};
      },
    },
    limits: { message_bytes_max: messageBytesMax },
  });
  grpc = new Client(`127.0.0.1:${running.server.grpcPort}`, credentials.createInsecure());
});

afterAll(async () => {
  grpc.close();
  await running[Symbol.asyncDispose]();
  expect(calls).toBe(0);
});

const good = Buffer.from(
  toBinary(GetWalletRequestSchema, create(GetWalletRequestSchema, { walletId })),
);
const truncated = good.subarray(0, 10);
const notUtf8 = Buffer.from([0x0a, 0x02, 0xc3, 0x28]);
const tooLarge = Buffer.concat([Buffer.from([0x0a, 0x89, 0x27]), Buffer.alloc(5_001, "a")]);

describe("gRPC", () => {
  test("bytes that are no message are INVALID_ARGUMENT", async () => {
    const error = await grpcFailure(getWallet, truncated);
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.rawMessage).toMatch(
      /^The request is not a pelikuni.wallet.v1.GetWalletRequest message/,
    );
  });

  test("text that is not UTF-8 is INVALID_ARGUMENT", async () => {
    expect((await grpcFailure(getWallet, notUtf8)).code).toBe(Code.InvalidArgument);
  });

  test("a message that is too large is RESOURCE_EXHAUSTED and names the setting", async () => {
    const error = await grpcFailure(getWallet, tooLarge);
    expect(error.code).toBe(Code.ResourceExhausted);
    expect(error.rawMessage).toBe(
      "The message is larger than limits.message_bytes_max, 4096 bytes",
    );
  });

  test("a message that is far too large is RESOURCE_EXHAUSTED as well", async () => {
    const error = await grpcFailure(getWallet, Buffer.alloc(100_000));
    expect(error.code).toBe(Code.ResourceExhausted);
  });

  test.each(["/pelikuni.wallet.v1.WalletService/Nothing", "/nobody/GetWallet"])(
    "%s is unimplemented",
    async (path) => {
      expect((await grpcFailure(path, good)).code).toBe(Code.Unimplemented);
    },
  );
});

// A byte of its own in a field that Connect ignores: without a check of ours the handler would be
// called.
const jsonNotUtf8 = Buffer.concat([
  Buffer.from(`{"walletId":"${walletId}","other":"`),
  Buffer.from([0xc3]),
  Buffer.from('"}'),
]);
const json = { "content-type": "application/json" };
const proto = { "content-type": "application/proto" };

describe("Connect", () => {
  test.each([
    ["bytes that are no message", proto, truncated],
    ["text that is not UTF-8", proto, notUtf8],
    ["text in JSON that is not UTF-8", json, jsonNotUtf8],
    ["an empty body as JSON", json, Buffer.alloc(0)],
    ["cut off JSON", json, Buffer.from('{"walletId":')],
    ["JSON that is no object", json, Buffer.from("[]")],
    ["a field of another type", json, Buffer.from('{"walletId":7}')],
    ["a lone surrogate", json, Buffer.from('{"walletId":"\\ud800"}')],
    ["no gzip", { ...json, "content-encoding": "gzip" }, Buffer.from("{}")],
    ["a timeout that is none", { ...json, "connect-timeout-ms": "soon" }, Buffer.from("{}")],
  ])("%s: INVALID_ARGUMENT", async (_what, headers, body) => {
    const response = await post(headers, body);
    expect(response.status).toBe(400);
    const answer = await response.text();
    expect(JSON.parse(answer)).toMatchObject({ code: "invalid_argument" });
    expect(answer).not.toMatch(/\.ts|\.js|node_modules/);
  });

  test.each([
    ["as it is", {}, tooLarge],
    ["far beyond", {}, Buffer.alloc(3_000_000)],
    ["after inflating", { "content-encoding": "gzip" }, gzipSync(Buffer.alloc(1_000_000))],
  ])(
    "a message that is too large %s is RESOURCE_EXHAUSTED and names the setting",
    async (_how, extra, body) => {
      const response = await post({ ...proto, ...extra }, body);
      expect(response.status).toBe(429);
      expect(await response.json()).toMatchObject({
        code: "resource_exhausted",
        message: "The message is larger than limits.message_bytes_max, 4096 bytes",
      });
    },
  );

  test("the query of a GET that is no base64 is INVALID_ARGUMENT", async () => {
    const query = "?connect=v1&encoding=proto&base64=1&message=%21%21";
    const response = await fetch(running.url(getWallet + query));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "invalid_argument" });
  });

  test("the query of a GET is not inflated", async () => {
    const message = gzipSync(Buffer.alloc(1_000_000)).toString("base64url");
    const query = `?connect=v1&encoding=proto&compression=gzip&base64=1&message=${message}`;
    const response = await fetch(running.url(getWallet + query));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      message: "A query's message must not be compressed",
    });
  });

  test("where nobody is asked who he is, no name that leads here from elsewhere is answered", async () => {
    const call = (host: string): Promise<string> =>
      rawRequest(`POST ${getWallet} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`);
    expect(await call("evil.example:8051")).toMatch(/^HTTP\/1\.1 403/);
    expect(await call("localhost:8051")).toMatch(/^HTTP\/1\.1 415/);
  });

  test("an unknown path is unimplemented, another verb or content type is refused", async () => {
    const unknown = await fetch(running.url("/nothing"));
    expect(unknown.status).toBe(404);
    expect(await unknown.json()).toMatchObject({ code: "unimplemented" });
    const put = await fetch(running.url(getWallet), { method: "PUT" });
    expect(put.status).toBe(405);
    expect((await post({ "content-type": "text/plain" }, good)).status).toBe(415);
  });

  test("a host that is none, or headers that are too large, harm nobody else", async () => {
    expect(
      await rawRequest(`POST ${getWallet} HTTP/1.1\r\nHost: [\r\nContent-Length: 0\r\n\r\n`),
    ).toMatch(/^HTTP\/1\.1 4/);
    expect(await rawRequest(`POST ${getWallet} HTTP/1.0\r\n\r\n`)).toMatch(/^HTTP\/1\.1 4/);
    const large = `POST / HTTP/1.1\r\nHost: a\r\nX-Large: ${"a".repeat(20_000)}\r\n\r\n`;
    expect(await rawRequest(large)).toMatch(/^HTTP\/1\.1 431/);
    expect((await post(json, Buffer.from("{}"))).status).toBe(400);
  });
});

describe("gRPC-Web", () => {
  test("a message with something behind it is not inflated", async () => {
    const bomb = gzipSync(Buffer.alloc(1_000_000));
    const head = Buffer.alloc(5, 1);
    head.writeUInt32BE(bomb.length, 1);
    const headers = { "content-type": "application/grpc-web+proto", "grpc-encoding": "gzip" };
    const response = await post(headers, Buffer.concat([head, bomb, Buffer.of(0)]));
    const text = decodeURIComponent(await response.text());
    expect(text).toContain("The body is not one enveloped message");
    expect(text).toContain(`grpc-status: ${Code.InvalidArgument}`);
  });
});

describe("CORS", () => {
  const preflight = { "access-control-request-method": "POST" };

  test("a page of a configured origin may call with Connect's headers and see its answers", async () => {
    const headers = { ...preflight, origin: corsOrigin };
    const response = await fetch(running.url(getWallet), { method: "OPTIONS", headers });
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-origin")).toBe(corsOrigin);
    expect(response.headers.get("access-control-allow-headers")).toMatch(
      /Content-Type.*Connect-Protocol-Version.*Connect-Timeout-Ms.*X-Grpc-Web/i,
    );
    const answer = await post({ ...json, origin: corsOrigin }, Buffer.from("{}"));
    expect(answer.headers.get("access-control-allow-origin")).toBe(corsOrigin);
    expect(answer.headers.get("access-control-expose-headers")).toMatch(/Grpc-Status/i);
  });

  test("a page of another origin may not", async () => {
    const headers = { ...preflight, origin: "https://evil.example.com" };
    const response = await fetch(running.url(getWallet), { method: "OPTIONS", headers });
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
    const answer = await post({ ...json, origin: headers.origin }, Buffer.from("{}"));
    expect(answer.headers.get("access-control-allow-origin")).toBeNull();
    expect(answer.headers.get("vary")).toBe("Origin");
  });
});

function post(headers: Record<string, string>, body: Buffer): Promise<Response> {
  return fetch(running.url(getWallet), { method: "POST", headers, body: new Uint8Array(body) });
}

function grpcFailure(path: string, bytes: Buffer): Promise<ConnectError> {
  const same = (buffer: Buffer): Buffer => buffer;
  return new Promise((resolve, reject) => {
    const options = { deadline: Date.now() + 5_000 };
    grpc.makeUnaryRequest(path, same, same, bytes, new Metadata(), options, (error) => {
      if (error === null) reject(new Error("The call succeeded"));
      else resolve(errorOfStatus(error));
    });
  });
}

/** Sends bytes over a connection of their own and answers what comes back. */
function rawRequest(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(running.server.httpPort, "127.0.0.1", () => socket.write(text));
    socket.once("data", (data) => {
      socket.destroy();
      resolve(data.toString());
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("Closed without an answer")));
  });
}
