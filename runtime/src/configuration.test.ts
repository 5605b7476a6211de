import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { ConfigurationError, loadConfiguration } from "./configuration.ts";

const schema = z.strictObject({
  host: z.string().default("127.0.0.1"),
  port: z.int().min(0).max(65_535),
  secure: z.boolean().default(false),
  origins: z.array(z.string()).default([]),
  database: z
    .strictObject({ url: z.string().optional(), connections_max: z.int().default(10) })
    .prefault({}),
  mode: z.enum(["fast", "safe"]).default("safe"),
});

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "pelikuni-configuration-"));
  write("base", "service:\n  port: 1\n  host: base\nother:\n  key: 1\n");
  write("local", "service:\n  host: local\n");
  write("production", "service:\n  host: production\n");
});

afterEach(() => rmSync(directory, { recursive: true }));

function write(name: string, text: string): void {
  writeFileSync(path.join(directory, `${name}.yaml`), text);
}

function load(environment: Record<string, string> = {}): z.output<typeof schema> {
  return loadConfiguration("service", schema, { directory, environment });
}

function mistakes(environment: Record<string, string> = {}): string {
  try {
    load(environment);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
  return "none";
}

test("base.yaml is overridden by the environment's file, and that by variables", () => {
  expect(load()).toMatchObject({ port: 1, host: "local" });
  expect(load({ APP_ENVIRONMENT: "production" }).host).toBe("production");
  expect(load({ APP__SERVICE__HOST: "variable" }).host).toBe("variable");
});

test("variables are read as the type that the schema wants, at any depth", () => {
  const environment = {
    APP__SERVICE__PORT: "8080",
    APP__SERVICE__SECURE: "true",
    APP__SERVICE__HOST: "12",
    APP__SERVICE__ORIGINS: "https://a.example, https://b.example",
    APP__SERVICE__DATABASE__CONNECTIONS_MAX: "3",
    APP__SERVICE__DATABASE__URL: "postgres://app:s3cret@db/wallet",
  };
  expect(load(environment)).toEqual({
    port: 8080,
    secure: true,
    host: "12",
    origins: ["https://a.example", "https://b.example"],
    database: { connections_max: 3, url: "postgres://app:s3cret@db/wallet" },
    mode: "safe",
  });
});

test("a variable below a key that a file has in capitals is about that key", () => {
  const limits = z.record(z.string(), z.strictObject({ most: z.int(), least: z.int() }));
  write("base", "service:\n  USD: { most: 3, least: 1 }\n");
  write("local", "{}");
  const environment = { APP__SERVICE__USD__MOST: "5" };
  expect(loadConfiguration("service", limits, { directory, environment })).toEqual({
    USD: { most: 5, least: 1 },
  });
});

test("an empty value in a file unsets what an earlier layer gave", () => {
  write("local", "service:\n  host:\n  database: {}\n");
  expect(load()).toMatchObject({ host: "127.0.0.1", database: { connections_max: 10 } });
});

test("every mistake is reported at once: key, origin, and what is allowed, never the value", () => {
  write("local", "service:\n  hots: oops\n  mode: slow\n");
  const report = mistakes({
    APP__SERVICE__PORT: "seventy",
    APP__SERVICE__DATABASE__URI: "postgres://app:hidden@db/wallet",
    APP__SERVCE__PORT: "1",
  });
  expect(report).toMatch(/has 5 mistakes \(APP_ENVIRONMENT is local/);
  expect(report).toMatch(/service\.port \(variable APP__SERVICE__PORT\): .*expected number/);
  expect(report).toMatch(
    /service\.hots \(configuration\/local\.yaml\): unknown key; allowed: host, port, secure/,
  );
  expect(report).toMatch(
    /service\.database\.uri \(variable APP__SERVICE__DATABASE__URI\): unknown key; allowed: url/,
  );
  expect(report).toMatch(/service\.mode \(configuration\/local\.yaml\): .*"fast"\|"safe"/);
  expect(report).toMatch(/APP__SERVCE__PORT: servce is no section; allowed: service, other/);
  expect(report).not.toMatch(/seventy|hidden|slow/);
});

test("a value out of its range names the range", () => {
  expect(mistakes({ APP__SERVICE__PORT: "70000" })).toMatch(/service\.port .*<=65535/);
});

test("a list that is no YAML is one mistake, which says where, and shows nothing of it", () => {
  const few = z.strictObject({
    port: z.int(),
    host: z.string(),
    names: z.array(z.string()).max(2),
  });
  const environment = { APP__SERVICE__NAMES: '["hidden' };
  expect(() => loadConfiguration("service", few, { directory, environment })).toThrow(
    /one mistake .*\n {2}- service\.names \(variable APP__SERVICE__NAMES\): .*expected array, .*; the text is no YAML: [A-Z_]+ in line 1, column \d+$/,
  );
});

test("a required value that nobody gave names the variable that sets it", () => {
  write("base", "service: {}\n");
  expect(mistakes()).toMatch(/service\.port is not set \(APP__SERVICE__PORT sets it\)/);
});

test("a required value beside one that a variable gives names the variable that sets it", () => {
  const pair = z.strictObject({
    who: z.strictObject({ id: z.string(), secret: z.string() }).optional(),
  });
  write("base", "service:\n  who: {}\n");
  write("local", "{}");
  const environment = { APP__SERVICE__WHO__ID: "shop" };
  expect(() => loadConfiguration("service", pair, { directory, environment })).toThrow(
    "service.who.secret is not set (APP__SERVICE__WHO__SECRET sets it)",
  );
});

test("a variable below a value that is no mapping is a mistake", () => {
  expect(mistakes({ APP__SERVICE__PORT__DEEPER: "1" })).toMatch(/service\.port/);
});

test("an unknown environment, an unknown section and a broken file are told", () => {
  expect(mistakes({ APP_ENVIRONMENT: "prod" })).toMatch(/"prod", allowed: local, production/);
  write("local", "servcie:\n  port: 1\n");
  expect(mistakes()).toMatch(/servcie \(local\.yaml\) is no section/);
  write("local", "service: [\n");
  expect(mistakes()).toMatch(/configuration\/local\.yaml is no YAML: .* in line 2, column 1/);
});

test("a password in a file is a mistake that names the variable, not the password", () => {
  write("local", 'service:\n  database:\n    url: "postgres://app:hidden@db/wallet"\n');
  const report = mistakes();
  expect(report).toMatch(/service\.database\.url .*secrets belong in APP__SERVICE__DATABASE__URL/);
  expect(report).not.toContain("hidden");
});

test("keys and secrets in a file are mistakes, whatever they are", () => {
  write("local", 'service:\n  api_key: "hidden1"\n  client_secret: "hidden2"\n');
  const report = mistakes();
  expect(report).toMatch(/service\.api_key .*secrets belong in APP__SERVICE__API_KEY/);
  expect(report).toMatch(/service\.client_secret .*secrets belong in APP__SERVICE__CLIENT_SECRET/);
  expect(report).not.toContain("hidden");
});

test.each([
  "service:\n  password: [hidden\n  port: 1\n",
  'service:\n  password: "hidden\n',
  "service:\n  password: *hidden\n",
  "service:\n  password: !hidden a\n  port: {\n",
  "service:\n  hidden: 1\n  hidden: 2\n",
])("a file that is no YAML is told without what stands in it: %j", async (content) => {
  write("local", content);
  const warnings: Error[] = [];
  const listen = (warning: Error): void => void warnings.push(warning);
  process.on("warning", listen);
  const report = mistakes();
  await nextTurn();
  process.off("warning", listen);
  expect(warnings).toEqual([]);
  expect(report).toMatch(/configuration\/local\.yaml is no YAML: /);
  expect(report).not.toContain("hidden");
});

test("production refuses a default password", () => {
  const url = "postgres://app:postgres@db/wallet";
  const variables = { APP__SERVICE__DATABASE__URL: url };
  expect(load(variables).database.url).toBe(url);
  expect(mistakes({ ...variables, APP_ENVIRONMENT: "production" })).toMatch(
    /service\.database\.url \(variable .*\): production refuses a default password/,
  );
});

test("the project's own configuration is found from anywhere", () => {
  const log = z.strictObject({ level: z.string(), format: z.string() });
  const environment = { APP_ENVIRONMENT: "production" };
  expect(loadConfiguration("log", log, { environment })).toEqual({ level: "info", format: "json" });
});
