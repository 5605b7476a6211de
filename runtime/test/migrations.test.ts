import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createTestDatabase, type TestDatabase } from "@pelikuni/e2e/test-database";
import postgres from "postgres";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createLogger } from "../src/logger.ts";
import { checkMigrated, type MigrationOptions, migrate } from "../src/migrations.ts";

const logger = createLogger("migrations test", { level: "silent", format: "json" });

let database: TestDatabase;
let directory: string;

beforeEach(async () => {
  database = await createTestDatabase();
  directory = await mkdtemp(path.join(tmpdir(), "pelikuni-migrations-"));
  await writeFile(
    path.join(directory, "0001_coins.sql"),
    "create table coins (id int primary key);",
  );
  const grants = path.join(directory, "service_role.sql");
  await writeFile(grants, 'grant select on coins to :"service_role";');
});

afterEach(async () => {
  await rm(directory, { recursive: true });
  await database[Symbol.asyncDispose]();
});

function options(url = database.ownerUrl): MigrationOptions {
  return { url, directory, logger, lockTimeoutMs: 10_000, serviceRole: serviceRole() };
}

async function query(url: string, text: string): Promise<postgres.RowList<postgres.Row[]>> {
  const sql = postgres(url, { max: 1 });
  try {
    return await sql.unsafe(text);
  } finally {
    await sql.end();
  }
}

function serviceRole(): string {
  return new URL(database.serviceUrl).username;
}

test("ten migrators start at once on an empty database: all succeed, each file runs once", async () => {
  await writeFile(path.join(directory, "0002_more.sql"), "insert into coins values (1), (2);");
  await Promise.all(Array.from({ length: 10 }, () => migrate(options())));
  expect(await query(database.ownerUrl, "select id from coins order by id")).toEqual([
    { id: 1 },
    { id: 2 },
  ]);
  const files = await query(database.ownerUrl, "select file from schema_migrations order by file");
  expect(files.map(({ file }) => file)).toEqual(["0001_coins.sql", "0002_more.sql"]);
});

test("a service that gets another login role keeps its rights, without a migration", async () => {
  await migrate(options());
  await using other = await createTestDatabase();
  const login = new URL(other.serviceUrl);
  await migrate({ ...options(), serviceRole: login.username });
  login.pathname = new URL(database.ownerUrl).pathname;
  expect(await query(login.href, "select id from coins")).toEqual([]);
  // The other database goes first, and with it the role, which must own and hold nothing here.
  await query(database.ownerUrl, `revoke all on coins from ${login.username}`);
});

test("an applied file that was changed afterwards is refused by name", async () => {
  await migrate(options());
  await writeFile(path.join(directory, "0001_coins.sql"), "create table coins (id bigint);");
  await expect(migrate(options())).rejects.toThrow(/0001_coins\.sql was changed after/);
});

test("a failing file leaves nothing half done, and runs again once it is mended", async () => {
  const broken = path.join(directory, "0002_broken.sql");
  await writeFile(broken, "insert into coins values (1);\ninsert into coins values (1);");
  await expect(migrate(options())).rejects.toThrow(/0002_broken\.sql failed, nothing.*duplicate/);
  expect(await query(database.ownerUrl, "select id from coins")).toEqual([]);
  await writeFile(broken, "insert into coins values (1);");
  await migrate(options());
  expect(await query(database.ownerUrl, "select id from coins")).toEqual([{ id: 1 }]);
});

test("a file that ends its transaction itself is refused before anything runs", async () => {
  await writeFile(
    path.join(directory, "0002_commit.sql"),
    "insert into coins values (1);\ncommit;",
  );
  await expect(migrate(options())).rejects.toThrow(
    /0002_commit\.sql must not control transactions/,
  );
  await expect(checkMigrated(options())).rejects.toThrow(/0002_commit\.sql must not control/);
});

test("the service's role gets what is granted to it, and nothing more", async () => {
  await migrate(options());
  expect(await query(database.serviceUrl, "select id from coins")).toEqual([]);
  await expect(query(database.serviceUrl, "insert into coins values (1)")).rejects.toThrow(
    /permission denied for table coins/,
  );
  await expect(query(database.serviceUrl, "create table mine (id int)")).rejects.toThrow(
    /permission denied for schema public/,
  );
});

test("a database without the schema is told apart, naming the setting that mends it", async () => {
  await expect(checkMigrated({ url: database.serviceUrl, directory, logger })).rejects.toThrow(
    /lacks the migrations 0001_coins\.sql\. Set database\.migration_url/,
  );
});

test("the service's role can check the schema, and a newer one is accepted", async () => {
  const newer = path.join(directory, "0002_newer.sql");
  await writeFile(newer, "alter table coins add face text;");
  await migrate(options());
  await rm(newer);
  await checkMigrated({ url: database.serviceUrl, directory, logger });
  await migrate(options());
});

test("a migrator that does not get the lock in time says so", async () => {
  const holder = postgres(database.ownerUrl, { max: 1 });
  try {
    await migrate(options());
    await holder`select pg_advisory_lock(7354821)`;
    await writeFile(path.join(directory, "0002_late.sql"), "insert into coins values (1);");
    await expect(migrate({ ...options(), lockTimeoutMs: 100 })).rejects.toThrow(
      /another process holds the lock/,
    );
  } finally {
    await holder.end();
  }
});
