import { afterAll, beforeAll, expect, test } from "vitest";
import { corsOrigin, startTestServer, type TestServer, walletId } from "./rpc-test-server.ts";

const getWallet = "/pelikuni.wallet.v1.WalletService/GetWallet";
const json = { "content-type": "application/json" };
const preflight = { origin: corsOrigin, "access-control-request-method": "POST" };

let running: TestServer;
beforeAll(async () => {
  running = await startTestServer({});
});
afterAll(() => running[Symbol.asyncDispose]());

test.each([
  [
    "an answer",
    getWallet,
    { method: "POST", headers: json, body: JSON.stringify({ walletId }) },
    200,
  ],
  ["a refusal", getWallet, { method: "POST", headers: json, body: "{}" }, 400],
  ["no such method", "/nothing", { method: "POST", headers: json, body: "{}" }, 404],
  [
    "an answer over gRPC-Web",
    getWallet,
    {
      method: "POST",
      headers: { "content-type": "application/grpc-web+proto" },
      body: Buffer.alloc(5),
    },
    200,
  ],
  ["another origin's question", getWallet, { method: "OPTIONS", headers: preflight }, 204],
])(
  "%s tells browsers neither to guess, to show, to keep, nor to tell",
  async (_, path, request, status) => {
    const response = await fetch(running.url(path), request);
    expect(response.status).toBe(status);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "cache-control": "no-store",
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "x-frame-options": "DENY",
    });
    // Without TLS it would be ignored, and is for the proxy that encrypts.
    expect(response.headers.has("strict-transport-security")).toBe(false);
  },
);
