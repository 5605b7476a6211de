import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import { createLogger } from "./logger.ts";
import { redactSecrets } from "./redaction.ts";

const jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";
const apiKey = "pelikuni_0123456789abcdefghijABCDEFGHIJ0123456789abc";
const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();

test.each([
  ["a URL", "postgres://app:hunter2@db:5432/wallet", "hunter2"],
  ["a URL whose password has an @", "postgres://app:hun@ter2@db/wallet", "ter2"],
  ["a URL of several hosts", "postgres://app:hunter2@one,two:5432/wallet", "hunter2"],
  ["a URL's query", "postgres://db/wallet?user=app&password=hunter2&x=1", "hunter2"],
  ["a connection string", "host=db password=hunter2 dbname=wallet", "hunter2"],
  ["a quoted one", "host=db password='hunter2 and 3' dbname=wallet", "3'"],
  ["a form", `grant_type=client_credentials&client_secret=hunter2`, "hunter2"],
  ["a header", `authorization: Bearer ${jwt}`, jwt.slice(-20)],
  ["an opaque token", "Authorization: bearer 0123456789abcdef0123456789", "6789"],
  ["basic credentials", "Authorization: Basic YXBwOmh1bnRlcjI=", "YXBw"],
  ["a bare token", `could not verify ${jwt}`, jwt.slice(-20)],
  ["an API key", `no such key ${apiKey}`, apiKey.slice(-30)],
])("what %s gives away is replaced", (_, text, secret) => {
  expect(redactSecrets(text)).not.toContain(secret);
  expect(redactSecrets(text)).toContain("***");
});

test.each(["json", "pretty"] as const)(
  "what %s lines hold under such names is replaced",
  (format) => {
    const lines: string[] = [];
    const logger = createLogger(
      "test",
      { level: "info", format },
      { write: (line) => lines.push(line) },
    );
    const secret = 'hunter2"\\ with {quotes}';
    logger.info(
      {
        headers: { Authorization: secret, cookie: [secret], "x-api-key": secret, host: "shown" },
        rawHeaders: ["Host", "shown", "Cookie", secret],
        sasl: { username: "shown", password: secret },
        body: JSON.stringify({ client_secret: "hunter2", scope: "shown" }),
        pem,
        error: Object.assign(new Error(`${apiKey} at postgres://app:hunter2@db`), {
          password: secret,
        }),
      },
      `Sent ${jwt}`,
    );
    const log = lines.join("");
    expect(log).not.toMatch(/hunter2|with \{quotes\}/);
    expect(log).not.toContain(jwt);
    expect(log).not.toContain(apiKey);
    for (const line of pem.split("\n").slice(1, -2)) expect(log).not.toContain(line);
    expect(log.match(/shown/g)).toHaveLength(4);
  },
);

test.each([
  "http://localhost:8000/users/a@b.example/wallets",
  "database pelikuni_test_0123456789abcdef of role pelikuni_wallet_service",
  "Basic authentication of the issuer; the bearer is unknown",
  '{"page_token":"abc","request_id":"order-4711","idempotency-key":"k","msg":"wrong password"}',
  "APP__KAFKA__SASL__PASSWORD is not set",
  "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1",
])("%s stays as it is", (text) => {
  expect(redactSecrets(text)).toBe(text);
});

test.each([
  '"password',
  '"password":',
  '"password","',
  '\\"password\\":\\"',
  '\\"',
  "a-",
  "a://a:",
  "://",
  "a.",
  "eyJ",
  "-eyJ",
  "eyJaaaaaaaaaaaa.",
  "Basic ",
  "Bearer ",
  "A",
  " ",
  "password=",
  "pelikuni_",
  "-----BEGIN ",
  "-----BEGIN PRIVATE KEY-----",
])("a long text of %j takes no longer than its length asks for", (part) => {
  const timeOf = (length: number): number => {
    const text = part.repeat(length / part.length);
    const startMs = performance.now();
    redactSecrets(text);
    return performance.now() - startMs;
  };
  timeOf(10_000);
  expect(timeOf(1_000_000)).toBeLessThan(1_000);
});

test.each(['"password":', '"password":[', '"cookie",', "Bearer", "Basic"])(
  "many spaces behind %j take no longer than their number asks for",
  (name) => {
    const startMs = performance.now();
    redactSecrets(name + " ".repeat(100_000));
    expect(performance.now() - startMs).toBeLessThan(1_000);
  },
);
