import { expect, test } from "vitest";
import { assertNotExposed, authSchema } from "./auth-configuration.ts";

const issuer = { issuer: "https://id.example.com", audience: "pelikuni" };

test.each(["127.0.0.1", "127.1.2.3", "localhost", "::1"])(
  "what is open may listen on %s",
  (host) => {
    assertNotExposed(authSchema.parse({}), [host]);
  },
);

test.each(["0.0.0.0", "::", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com", ""])(
  "what is open may not listen on %j, and what asks who calls may",
  (host) => {
    const open = authSchema.parse({});
    expect(() => assertNotExposed(open, ["127.0.0.1", host])).toThrow(
      "could move all money: nothing says who may call",
    );
    for (const some of [{ issuers: [issuer] }, { api_keys: true }]) {
      assertNotExposed(authSchema.parse(some), [host]);
    }
  },
);

test.each<[string, object, string]>([
  ["required and open", { required: true }, "nothing says who may call"],
  [
    "a first API key where none is accepted",
    { initial_api_key: `pelikuni_${"0".repeat(43)}` },
    "API keys are not accepted",
  ],
  [
    "one first API key for two owners",
    {
      api_keys: true,
      initial_api_key: `pelikuni_${"0".repeat(43)}`,
      initial_history_api_key: `pelikuni_${"0".repeat(43)}`,
    },
    "the history-service would have every scope",
  ],
  ["an issuer over http", { issuers: [{ ...issuer, issuer: "http://id.example.com" }] }, "https:"],
  [
    "keys over http",
    { issuers: [{ ...issuer, jwks_url: "http://id.example.com/keys" }] },
    "https:",
  ],
  [
    "two issuers of users",
    { issuers: [issuer, { ...issuer, issuer: "https://other.example.com" }] },
    "could both name the same user",
  ],
  ["a shared secret", { issuers: [{ ...issuer, algorithms: ["HS256"] }] }, "Invalid option"],
  ["no signature", { issuers: [{ ...issuer, algorithms: ["none"] }] }, "Invalid option"],
])("%s is a mistake of the configuration", (_, settings, why) => {
  expect(authSchema.safeParse(settings).error?.message).toMatch(new RegExp(why));
});

test("an issuer on this machine may go without TLS", () => {
  const local = { ...issuer, issuer: "http://localhost:3000" };
  expect(authSchema.parse({ issuers: [local] }).issuers).toHaveLength(1);
});
