import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { createRouterTransport } from "@connectrpc/connect";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { createLogger } from "@pelikuni/runtime/logger";
import { afterEach, expect, test } from "vitest";
import { type Gateway, gatewaySchema, startGateway } from "./start-gateway.ts";

const logger = createLogger("test", { level: "silent", format: "json" });
const hold = "/holds/0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1";
let gateway: Gateway | undefined;
let released = 0;

afterEach(async () => {
  await gateway?.[Symbol.asyncDispose]();
  released = 0;
});

async function statusOf(
  open: boolean,
  method: string,
  path: string,
  headers: Record<string, string>,
): Promise<number | undefined> {
  const walletTransport = createRouterTransport(({ service }) => {
    service(WalletService, {
      releaseHold: () => {
        released += 1;
        return {};
      },
    });
  });
  gateway = await startGateway({
    configuration: gatewaySchema.parse({ port: 0 }),
    logger,
    walletTransport,
    open,
  });
  const sent = request({ host: "127.0.0.1", port: gateway.port, method, path, headers }).end();
  const [response]: IncomingMessage[] = await once(sent, "response");
  response?.resume();
  return response?.statusCode;
}

test("a page of another site has nothing done, although it need not ask first", async () => {
  const headers = { "sec-fetch-site": "cross-site", origin: "https://evil.example" };
  expect(await statusOf(false, "POST", `${hold}/release`, headers)).toBe(403);
  expect(released).toBe(0);
});

test.each(["same-origin", "none"])("what a browser calls %s is done", async (site) => {
  await statusOf(false, "POST", `${hold}/release`, { "sec-fetch-site": site });
  expect(released).toBe(1);
});

test.each([
  ["answers no name that leads here from elsewhere", true, "evil.example", 403],
  ["answers this machine's own name", true, "localhost:8000", 200],
])("a gateway where nobody is asked who he is %s", async (_, open, host, status) => {
  expect(await statusOf(open, "GET", "/", { host })).toBe(status);
});

test("where callers are asked, any name may lead to the gateway", async () => {
  expect(await statusOf(false, "GET", "/", { host: "wallet.example.com" })).toBe(200);
});
