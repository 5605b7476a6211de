import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../e2e/src/test-database.ts";
import { LeadershipLost, tryToLead } from "../src/leadership.ts";
import { createLogger } from "../src/logger.ts";
import { createDatabaseClient, type DatabaseClient } from "../src/postgres.ts";

const lockId = 4_711;
const logger = createLogger("test", { level: "silent", format: "json" });

let database: TestDatabase;
const clients: DatabaseClient[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  for (const client of clients) await client[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

function openClient(): DatabaseClient {
  const client = createDatabaseClient({
    url: database.ownerUrl,
    applicationName: "leadership test",
    connectionsMax: 1,
    callTimeoutMs: 5_000,
    logger,
  });
  clients.push(client);
  return client;
}

test("one leads at a time, and the next one when he gives it up", async () => {
  const first = await tryToLead(openClient(), lockId);
  const other = openClient();
  expect(await tryToLead(other, lockId)).toBeUndefined();
  expect(await first?.call((sql) => sql`select 1 as one`)).toEqual([{ one: 1 }]);
  await first?.[Symbol.asyncDispose]();
  let second: Awaited<ReturnType<typeof tryToLead>>;
  await expect
    .poll(async () => {
      second = await tryToLead(other, lockId);
      return second;
    })
    .toBeDefined();
  await second?.[Symbol.asyncDispose]();
});

test("whoever has another session than the one with the lock is told that he leads no more", async () => {
  const client = openClient();
  let leadership: Awaited<ReturnType<typeof tryToLead>>;
  await expect
    .poll(async () => {
      leadership = await tryToLead(client, lockId);
      return leadership;
    })
    .toBeDefined();
  if (leadership === undefined) throw new Error("Nobody leads.");
  // The client makes a new session by itself, which works as well as the old one, without the lock.
  client.reset();
  await expect(leadership.call((sql) => sql`select 1`)).rejects.toThrow(LeadershipLost);
  expect(leadership.lost.aborted).toBe(true);
  await leadership[Symbol.asyncDispose]();
});
