import { expect, test } from "vitest";
import { isDefaultPassword, isSecret } from "./secret-settings.ts";

test.each([
  ["password", "a", true],
  ["client_secret", "a", true],
  ["initial_api_key", "a", true],
  ["token", "a", true],
  ["access_token", "a", true],
  ["key_passphrase", "a", true],
  ["url", "postgres://app:a@db/wallet", true],
  ["url", "postgres://app:a@b@db/wallet", true],
  ["url", "postgres://db/wallet?user=app&password=a", true],
  ["url", "postgres://db/wallet?password=a", true],
  ["certificate", "-----BEGIN PRIVATE KEY-----\nMIG…", true],
  ["password", undefined, false],
  ["url", "postgres://app@db:5432/wallet?sslmode=verify-full", false],
  ["url", "http://localhost:8000/users/a@b", false],
  ["key_file", "/run/tls/key.pem", false],
  ["token_url", "https://id.example.com/token", false],
  ["api_keys", true, false],
  ["kafka_group", "a", false],
  ["port", 5432, false],
])("whether %s is a secret that holds %j: %s", (name, value, secret) => {
  expect(isSecret(name, value)).toBe(secret);
});

test.each([
  ["url", "postgres://app:postgres@db/wallet", true],
  ["url", "postgres://db/wallet?password=Postgres", true],
  ["password", "changeme", true],
  ["password", "one of our own", false],
  ["topic", "root", false],
  ["url", "postgres://postgres:own@db/wallet", false],
])("whether the password of %s that holds %j is a default one: %s", (name, value, known) => {
  expect(isDefaultPassword(name, value)).toBe(known);
});
