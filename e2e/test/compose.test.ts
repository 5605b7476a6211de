import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import path from "node:path";
import { chooseFreePort } from "@pelikuni/local/free-port";
import { createKafka } from "@pelikuni/runtime/kafka";
import { createLogger } from "@pelikuni/runtime/logger";
import { buildWithResources, type ResourceStack } from "@pelikuni/runtime/resource-stack";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import {
  type ComposeService,
  readComposeServices,
  readInitStatements,
  readVariableNames,
} from "../src/compose-file.ts";
import { startOwnPostgres } from "../src/own-postgres.ts";
import { describeOverKafka, type TestKafka } from "../src/test-kafka.ts";

interface RunningSystem extends AsyncDisposable {
  /** "service:port" of the file → the port on this machine. */
  readonly ports: ReadonlyMap<string, number>;
  /** Where the wallet-service publishes. */
  readonly topic: string;
  /** The first API key. */
  readonly initialKey: string;
}

const pythonMissing = spawnSync("python3", ["--version"]).status !== 0;
const project = path.resolve(import.meta.dirname, "../..");
const healthDeadlineMs = 60_000;
// As .env.example chooses them.
const passwordBytes = 24;

await describeOverKafka("the services of docker-compose.yml", (kafka) => {
  let system: RunningSystem | undefined;
  beforeAll(async () => {
    // What the Dockerfile does; the services run as they are built.
    const build = spawnSync("npm", ["run", "build"], { cwd: project, encoding: "utf8" });
    if (build.status !== 0) throw new Error(build.stdout + build.stderr);
    system = await startSystem(kafka);
  }, 180_000);
  afterAll(async () => {
    await system?.[Symbol.asyncDispose]();
  });

  test("a transfer through the gateway is read in history, by way of Kafka", async () => {
    const rest = `http://127.0.0.1:${system?.ports.get("gateway:8000")}`;
    const headers = { authorization: `Bearer ${system?.initialKey}` };
    const post = (path: string, body: object) => postTo(`${rest}${path}`, body, headers);
    const alice = await idOf(post("/wallets", { user_id: "alice" }));
    const bob = await idOf(post("/wallets", { user_id: "bob" }));
    await post(`/wallets/${alice}/fund`, { amount: "100" });
    const transfer = { to_wallet_id: bob, amount: "25.5" };
    const moved = await post(`/wallets/${alice}/transfer`, transfer);
    const position = moved.headers.get("position");
    expect(position).toBe("4");

    const history = `${rest}/wallets/${bob}/history?min_position=${position}`;
    const answer = await fetch(history, { headers });
    expect(await answer.json()).toMatchObject([
      { balance: "25.5000", amount: "25.5000" },
      { balance: "0.0000", amount: "0.0000" },
    ]);
  });

  test("nobody without a key gets anything, of either service", async () => {
    const rest = `http://127.0.0.1:${system?.ports.get("gateway:8000")}`;
    for (const path of ["/wallets", "/accounts/fees/total?currency=USD", "/api-keys"]) {
      expect((await fetch(rest + path)).status, path).toBe(401);
    }
    const keys = await fetch(`${rest}/api-keys`, {
      headers: { authorization: `Bearer ${system?.initialKey}` },
    });
    expect(await keys.json()).toMatchObject([{ owner: "history-service" }, { owner: "initial" }]);
  });

  test.skipIf(pythonMissing)("the topic's export fits, whatever else was sent there", async () => {
    await sendPoison(kafka, system?.topic ?? "");
    const example = "examples/verify-journal";
    const topic = `${kafka.brokers[0]} ${system?.topic}`;
    const read = `node ${example}/export-topic.mjs ${topic} | sort -t: -k2,2n`;
    const pipe = `${read} | python3 ${example}/verify_journal.py - --to 4`;
    const result = spawnSync("bash", ["-o", "pipefail", "-c", pipe], {
      cwd: project,
      encoding: "utf8",
    });
    expect(result.stdout).toContain("Set aside: 4 messages that are no event of the journal");
    expect(result.stdout).toContain("Everything fits: 4 events");
    expect(result).toMatchObject({ stderr: "", status: 0 });
  });
});

/** Puts on the topic what is no event: without a position, and with one that an event has. */
async function sendPoison(kafka: TestKafka, topic: string): Promise<void> {
  const logger = createLogger("test", { level: "silent", format: "json" });
  const producer = createKafka(kafka.settings({ topic }), logger).producer();
  await producer.connect();
  const messages = [
    { value: "poison" },
    { value: "poison", headers: { position: "2" } },
    { value: null, headers: { position: "2" } },
    { value: "poison", headers: { position: ["1", "2"] } },
  ];
  await producer.send({ topic, messages });
  await producer.disconnect();
}

test("the database script, the compose file and .env.example name the same passwords", () => {
  const variables = choosePasswords();
  const urls = readComposeServices(variables).flatMap(({ environment }) =>
    Object.values(environment).filter((value) => value.startsWith("postgres:")),
  );
  const statements = readInitStatements(variables);
  for (const url of urls) {
    const { username, password, pathname } = new URL(url);
    expect(statements).toContain(`create role ${username} login password '${password}'`);
    const database = pathname.slice(1);
    const allowed = [
      `create database ${database} owner ${username}`,
      `grant connect on database ${database} to ${username}`,
    ];
    expect(statements.filter((statement) => allowed.includes(statement))).toHaveLength(1);
  }
  expect(urls).toHaveLength(4);
});

/** Starts the services one after the other, each when the one before is healthy. */
async function startSystem(kafka: TestKafka): Promise<RunningSystem> {
  return await buildWithResources(async (resources) => {
    const variables = choosePasswords();
    const server = resources.use(await startOwnPostgres());
    await createDatabases(server.ownerUrl, readInitStatements(variables));
    const services = readComposeServices(variables);
    const ports = new Map<string, number>();
    for (const { name, ports: published } of services) {
      for (const port of published) ports.set(`${name}:${port}`, await chooseFreePort());
    }
    const places = new Map([
      ["postgres:5432", `127.0.0.1:${new URL(server.ownerUrl).port}`],
      ["kafka:9092", kafka.brokers.join(",")],
      ...[...ports].map(([name, port]): [string, string] => [name, `127.0.0.1:${port}`]),
    ]);
    const topic = kafka.newTopicName();
    for (const service of services) await startService(service, places, ports, topic, resources);
    const initialKey = `pelikuni_${variables.INITIAL_API_KEY}`;
    return {
      ports,
      topic,
      initialKey,
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

/** As in a container, apart from hosts, ports and the name of the topic. */
async function startService(
  service: ComposeService,
  places: ReadonlyMap<string, string>,
  ports: ReadonlyMap<string, number>,
  topic: string,
  resources: ResourceStack,
): Promise<void> {
  const { name, command, environment, healthCommand } = service;
  const child = spawn(process.execPath, nodeArguments(command), {
    cwd: project,
    env: {
      ...replaceValues(environment, places),
      ...portSettings(service, ports),
      APP__KAFKA__TOPIC: topic,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const log: string[] = [];
  for (const output of [child.stdout, child.stderr]) {
    output.on("data", (chunk: Buffer) => log.push(chunk.toString()));
  }
  resources.use({ [Symbol.asyncDispose]: () => stop(child) });
  const own = new Map(
    [...ports].map(([place, port]) => [
      place.replace(`${name}:`, "localhost:"),
      `localhost:${port}`,
    ]),
  );
  const check = healthCommand.map((word) => replacePlaces(word, own));
  const deadline = performance.now() + healthDeadlineMs;
  for (;;) {
    const healthy = await exitCode(spawn(process.execPath, nodeArguments(check), { cwd: project }));
    if (healthy === 0) return;
    if (child.exitCode !== null || performance.now() > deadline) {
      throw new Error(`${name} did not become healthy:\n${log.join("")}`);
    }
  }
}

/** Every published port has to be one that configuration/base.yaml gives this service. */
function portSettings(
  { name, ports: published }: ComposeService,
  ports: ReadonlyMap<string, number>,
): Record<string, string> {
  const section = name.replace("-", "_");
  const base: unknown = parse(readFileSync(path.join(project, "configuration/base.yaml"), "utf8"));
  const settings: Record<string, string> = {};
  const visit = (value: unknown, at: readonly string[]): void => {
    if (typeof value === "object" && value !== null) {
      for (const [key, inner] of Object.entries(value)) visit(inner, [...at, key]);
    } else if (at[0] === section && at.at(-1) === "port" && typeof value === "number") {
      const port = ports.get(`${name}:${value}`);
      if (port !== undefined) settings[["APP", ...at].join("__").toUpperCase()] = String(port);
    }
  };
  visit(base, []);
  expect(Object.keys(settings)).toHaveLength(published.length);
  return settings;
}

function nodeArguments([program, ...words]: readonly string[]): string[] {
  expect(program).toBe("node");
  return words;
}

function replaceValues(
  environment: Readonly<Record<string, string>>,
  places: ReadonlyMap<string, string>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [name, replacePlaces(value, places)]),
  );
}

function replacePlaces(text: string, places: ReadonlyMap<string, string>): string {
  let replaced = text;
  for (const [name, place] of places) replaced = replaced.replaceAll(name, place);
  return replaced;
}

function choosePasswords(): Record<string, string> {
  return Object.fromEntries(
    readVariableNames().map((name) => [name, randomBytes(passwordBytes).toString("hex")]),
  );
}

/** As an administrator without being superuser, who must give himself the roles that he makes. */
async function createDatabases(url: string, statements: readonly string[]): Promise<void> {
  const sql = postgres(url, { max: 1 });
  try {
    await sql`set createrole_self_grant = 'set, inherit'`;
    for (const statement of statements) await sql.unsafe(statement);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** The id of the wallet in an answer. */
async function idOf(answer: Promise<Response>): Promise<string> {
  return z.object({ id: z.uuid() }).parse(await (await answer).json()).id;
}

async function postTo(url: string, body: object, headers: object): Promise<Response> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  expect(await exitCode(child)).toBe(0);
}

async function exitCode(child: ChildProcess): Promise<number | null> {
  await once(child, "exit");
  return child.exitCode;
}
