import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { Health } from "@pelikuni/gen/grpc/health/v1/health_pb";
import { expect, test } from "vitest";
import { giveTokens, startTokenEndpoint } from "../../test/token-endpoint.ts";
import { createLogger } from "../logger.ts";
import { callCredentialsSchema, withCredentials } from "./call-credentials.ts";

const logger = createLogger("test", { level: "silent", format: "json" });
let nowMs = 1_000_000;

/** Calls of a service that takes one token alone, if any. */
function callsWith(credentials: object, taken?: () => string) {
  const seen: (string | null)[] = [];
  const look = (header: Headers): void => {
    const token = header.get("authorization");
    seen.push(token);
    if (taken && token !== taken()) throw new ConnectError("Who are you?", Code.Unauthenticated);
  };
  const transport = createRouterTransport(({ service }) =>
    service(Health, {
      check: (_, { requestHeader }) => {
        look(requestHeader);
        return {};
      },
      async *watch(_, { requestHeader }) {
        look(requestHeader);
        yield {};
      },
    }),
  );
  const settings = callCredentialsSchema.parse(credentials);
  const options = { now: () => nowMs, logger };
  return { health: createClient(Health, withCredentials(transport, settings, options)), seen };
}

test("calls and streams carry the key, beside the headers that they have", async () => {
  const { health, seen } = callsWith({ api_key: "pelikuni_key" });
  await health.check({}, { headers: { "x-other": "stays" }, timeoutMs: 5_000 });
  for await (const _ of health.watch({})) break;
  expect(seen).toEqual(["Bearer pelikuni_key", "Bearer pelikuni_key"]);
});

test("without credentials calls carry none", async () => {
  const { health, seen } = callsWith({});
  await health.check({});
  expect(seen).toEqual([null]);
});

test("after a token was refused the next call has another one", async () => {
  await using endpoint = await startTokenEndpoint();
  giveTokens(endpoint, 1_000);
  const client = { token_url: endpoint.url, client_id: "history", client_secret: "secret" };
  let taken = "Bearer token 1";
  const { health, seen } = callsWith({ client_credentials: client }, () => taken);
  await health.check({});
  // The provider has rotated its keys, say.
  taken = "Bearer token 2";
  nowMs += 10_000;
  await expect(health.check({})).rejects.toMatchObject({ code: Code.Unauthenticated });
  await health.check({});
  expect(seen).toEqual(["Bearer token 1", "Bearer token 1", "Bearer token 2"]);
});

test("two kinds of credentials at once are a mistake", () => {
  const both = {
    api_key: "pelikuni_key",
    client_credentials: {
      token_url: "https://a.example/token",
      client_id: "a",
      client_secret: "b",
    },
  };
  expect(callCredentialsSchema.safeParse(both).error?.issues).toMatchObject([
    { path: ["api_key"], message: expect.stringContaining("take one of them out") },
  ]);
});
