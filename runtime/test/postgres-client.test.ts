import { setImmediate as nextTurn } from "node:timers/promises";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { startTcpProxy } from "../../e2e/src/tcp-proxy.ts";
import { createTestDatabase } from "../../e2e/src/test-database.ts";
import { DatabaseUnavailable } from "../src/database-fault.ts";
import { createLogger } from "../src/logger.ts";
import { createDatabaseClient } from "../src/postgres.ts";

const callTimeoutMs = 2_500;
const promptMs = 1_000;
const turnsMax = 30;

test("a call sent while its connection breaks is told so at once", async () => {
  await using database = await createTestDatabase();
  const url = new URL(database.serviceUrl);
  await using proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
  url.host = `127.0.0.1:${proxy.port}`;
  const logger = createLogger("test", { level: "silent", format: "json" });
  const options = { url: url.href, applicationName: "test", connectionsMax: 1, callTimeoutMs };
  await using client = createDatabaseClient({ ...options, logger });
  // The driver hears of a break in one turn of the event loop, and says so in a later phase of it.
  for (let turns = 0; turns < turnsMax; turns += 1) {
    await client.read((sql) => sql`select 1`);
    proxy.cut(0, "both");
    for (let turn = 0; turn < turns; turn += 1) await nextTurn();
    expect(await timeOf(client.call((sql) => sql`select 1`)), `${turns} turns`).toBeLessThan(
      promptMs,
    );
  }
});

test("a wrong password is told by user alone, in the error and in the log", async () => {
  await using database = await createTestDatabase();
  const url = new URL(database.serviceUrl);
  url.password = "not-the-right-one";
  const lines: string[] = [];
  const sink = { write: (line: string) => void lines.push(line) };
  const logger = createLogger("test", { level: "trace", format: "json" }, sink);
  const options = { applicationName: "test", connectionsMax: 1, callTimeoutMs, logger };
  await using client = createDatabaseClient({ ...options, url: url.href });
  const failure = await client.call((sql) => sql`select 1`).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(DatabaseUnavailable);
  const told = `${inspect(failure, { depth: null, showHidden: true })} ${lines.join("")}`;
  expect(told).toContain("password authentication failed");
  expect(told).not.toContain(url.password);
});

async function timeOf(call: Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await call.catch((error: unknown) => {
    expect(error).toBeInstanceOf(DatabaseUnavailable);
  });
  return performance.now() - startMs;
}
