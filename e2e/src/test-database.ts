import { randomBytes } from "node:crypto";
import postgres from "postgres";
import { inject } from "vitest";

// Postgres itself waits five seconds in each.
const dropAttemptsMax = 5;

/** An empty database of one test file; disposing drops it together with its role. */
export interface TestDatabase extends AsyncDisposable {
  /** Connection as the database's owner, who migrates. */
  readonly ownerUrl: string;
  /** Connection as a login role made for this database, with no right but what migrations grant. */
  readonly serviceUrl: string;
}

/**
 * Creates an empty database on the server of this test run: the one of DATABASE_URL when that
 * variable is set (its user needs CREATEDB and CREATEROLE), else the one that the run started.
 */
export async function createTestDatabase(): Promise<TestDatabase> {
  const serverUrl = inject("postgresUrl");
  const name = `pelikuni_test_${randomBytes(6).toString("hex")}`;
  const role = `${name}_service`;
  const password = randomBytes(12).toString("hex");
  await onServer(serverUrl, async (sql) => {
    await sql`create database ${sql(name)}`;
    await sql.unsafe(`create role ${role} login password '${password}'`);
  });
  const ownerUrl = new URL(serverUrl);
  ownerUrl.pathname = name;
  const serviceUrl = new URL(ownerUrl);
  serviceUrl.username = role;
  serviceUrl.password = password;
  return {
    ownerUrl: ownerUrl.href,
    serviceUrl: serviceUrl.href,
    [Symbol.asyncDispose]: () =>
      onServer(serverUrl, async (sql) => {
        await dropDatabase(sql, name);
        await sql`drop role if exists ${sql(role)}`;
      }),
  };
}

/**
 * Drops a database that somebody may still be connected to. `force` may not terminate an autovacuum
 * worker, which belongs to the superuser, and then terminates nobody; without it Postgres asks the
 * worker to stop, and minds everybody else.
 */
async function dropDatabase(sql: postgres.Sql, name: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await sql`drop database if exists ${sql(name)} with (force)`.catch(
        async () => await sql`drop database if exists ${sql(name)}`,
      );
      return;
    } catch (error) {
      if (attempt === dropAttemptsMax) throw error;
    }
  }
}

async function onServer(url: string, work: (sql: postgres.Sql) => Promise<void>): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}
