import type { ServerResponse } from "node:http";
import { Code } from "@connectrpc/connect";
import { decodeJwt } from "jose";
import { beforeEach, expect, test } from "vitest";
import { audience, startIdentityProvider } from "../../e2e/src/identity-provider.ts";
import { resourceOf } from "../../e2e/src/identity-provider-settings.ts";
import {
  type AccessTokens,
  clientCredentialsSchema,
  createAccessTokens,
} from "../src/access/access-tokens.ts";
import { createLogger } from "../src/logger.ts";
import {
  answerJson,
  giveTokens,
  startTokenEndpoint,
  type TokenEndpoint,
} from "./token-endpoint.ts";

const secret = "what nobody must read";
const lifeSeconds = 1_000;
const clock = { nowMs: 0 };
let logged: string[] = [];

beforeEach(() => {
  clock.nowMs = 1_000_000;
  logged = [];
});

function tokensFrom(token_url: string, settings: object = {}): AccessTokens {
  const client = { token_url, client_id: "history-service", client_secret: secret, ...settings };
  const sink = { write: (line: string) => void logged.push(line) };
  const logger = createLogger("test", { level: "debug", format: "json" }, sink);
  return createAccessTokens(clientCredentialsSchema.parse(client), {
    now: () => clock.nowMs,
    logger,
  });
}

async function startEndpoint(): Promise<TokenEndpoint> {
  const endpoint = await startTokenEndpoint();
  giveTokens(endpoint, lifeSeconds);
  return endpoint;
}

test("a real provider gives tokens for the audience and scopes that are asked for", async () => {
  await using provider = await startIdentityProvider(["history:read"], ["history-service"]);
  const tokens = tokensFrom(`${provider.issuer}/token`, {
    client_secret: provider.machineSecret("history-service"),
    scope: "history:read",
    fields: { resource: resourceOf(audience, "RS256") },
  });
  const token = await tokens.get();
  expect(decodeJwt(token)).toMatchObject({
    iss: provider.issuer,
    aud: audience,
    sub: "history-service",
    scope: "history:read",
  });
  // Away, it is not needed as long as the token lives.
  await provider.stop();
  expect(await tokens.get()).toBe(token);
});

test("all calls share one token, and one fetch of it", async () => {
  await using endpoint = await startEndpoint();
  const tokens = tokensFrom(endpoint.url, {
    scope: "history:read",
    fields: { audience: "wallets" },
  });
  const got = await Promise.all([tokens.get(), tokens.get(), tokens.get()]);
  expect(new Set(got)).toEqual(new Set(["token 1"]));
  clock.nowMs += lifeSeconds * 700;
  expect(await tokens.get()).toBe("token 1");
  expect(endpoint.requests.map(({ body }) => body)).toEqual([
    "audience=wallets&scope=history%3Aread&grant_type=client_credentials",
  ]);
});

test("the next token is fetched before the last one expires, which is used until it is there", async () => {
  await using endpoint = await startEndpoint();
  const tokens = tokensFrom(endpoint.url);
  await tokens.get();
  let held: ServerResponse | undefined;
  const give = endpoint.answer;
  endpoint.answer = (response) => {
    held = response;
  };
  clock.nowMs += lifeSeconds * 750;
  expect(await tokens.get()).toBe("token 1");
  await expect.poll(() => held).toBeDefined();
  expect(await tokens.get()).toBe("token 1");
  if (held) give(held);
  await expect.poll(() => tokens.get()).toBe("token 2");
  expect(endpoint.requests).toHaveLength(2);
});

test("while the provider is away the valid token goes on, then calls are told so, then all is well", async () => {
  await using endpoint = await startEndpoint();
  const tokens = tokensFrom(endpoint.url);
  await tokens.get();
  endpoint.answer = (response) => void response.destroy();
  clock.nowMs += lifeSeconds * 994;
  expect(await tokens.get()).toBe("token 1");
  await expect.poll(() => logged.join()).toContain("An access token could not be fetched.");
  clock.nowMs += lifeSeconds;
  await expect(tokens.get()).rejects.toMatchObject({ code: Code.Unavailable });

  giveTokens(endpoint, lifeSeconds);
  clock.nowMs += 5_000;
  expect(await tokens.get()).toBe(`token ${endpoint.requests.length}`);
  expect(logged.join()).toContain("Access tokens can be fetched again.");
});

test("the pause after failures grows, and nothing is asked of the provider in it", async () => {
  await using endpoint = await startEndpoint();
  endpoint.answer = (response) => answerJson(response, 503, {});
  const tokens = tokensFrom(endpoint.url);
  const askedAt: number[] = [];
  for (const untilMs = clock.nowMs + 30_000; clock.nowMs < untilMs; clock.nowMs += 100) {
    const before = endpoint.requests.length;
    await expect(tokens.get()).rejects.toMatchObject({ code: Code.Unavailable });
    if (endpoint.requests.length > before) askedAt.push(clock.nowMs - 1_000_000);
  }
  expect(askedAt).toEqual([0, 200, 600, 1_400, 3_000, 6_200, 11_200, 16_200, 21_200, 26_200]);
});

test("a token that was refused is replaced, but not over and over", async () => {
  await using endpoint = await startEndpoint();
  const tokens = tokensFrom(endpoint.url);
  const first = await tokens.get();
  clock.nowMs += 10_000;
  tokens.refused(first);
  const second = await tokens.get();
  expect(second).toBe("token 2");
  tokens.refused(first);
  expect(await tokens.get()).toBe(second);
  tokens.refused(second);
  await expect(tokens.get()).rejects.toMatchObject({ code: Code.Unavailable });
  clock.nowMs += 5_000;
  expect(await tokens.get()).toBe("token 3");
});

test("whatever the provider answers, the secret is in no log and in no error", async () => {
  await using endpoint = await startEndpoint();
  await using elsewhere = await startEndpoint();
  const answers: [(response: ServerResponse) => void, string][] = [
    [(response) => answerJson(response, 401, { error: "invalid_client" }), "401, invalid_client"],
    [(response) => answerJson(response, 400, { error: `no ${secret}` }), "answered 400."],
    [(response) => void response.end("<html>"), "none of RFC 6749"],
    [
      (response) => answerJson(response, 200, { access_token: "a", token_type: "mac" }),
      "none of RFC",
    ],
    [(response) => void response.end("x".repeat(100_000)), "is over 65536 bytes"],
    [(response) => void response.writeHead(307, { location: elsewhere.url }).end(), "fetch failed"],
    // It never answers.
    [() => undefined, "timeout"],
  ];
  for (const [answer, told] of answers) {
    endpoint.answer = answer;
    logged = [];
    const error = await tokensFrom(endpoint.url)
      .get()
      .catch((fault: unknown) => fault);
    expect(error).toMatchObject({ code: Code.Unavailable });
    expect(logged.join()).toContain(told);
    expect(logged.join() + String(error)).not.toContain(secret);
  }
  expect(elsewhere.requests).toEqual([]);
});

test("id and secret travel encoded, whatever characters they have", async () => {
  await using endpoint = await startEndpoint();
  await tokensFrom(endpoint.url, { client_id: "a:b", client_secret: "ü %+/" }).get();
  const [, encoded = ""] = (endpoint.requests[0]?.authorization ?? "").split("Basic ");
  expect(Buffer.from(encoded, "base64").toString("utf8")).toBe("a%3Ab:%C3%BC+%25%2B%2F");
});
