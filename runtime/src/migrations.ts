import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import postgres from "postgres";
import type { ClientTls } from "./certificates.ts";
import type { Logger } from "./logger.ts";
import { OperatorError } from "./operator-error.ts";
import { postgresTls } from "./postgres-tls.ts";

/** A schema that cannot be brought, or is not, to what this release needs; says what to do. */
export class MigrationError extends OperatorError {
  override name = "MigrationError";
}

/** Which database, and the files that make its schema. */
export interface SchemaOptions {
  /** Connection of a role that may read the table `schema_migrations`. */
  readonly url: string;
  readonly tls?: ClientTls | undefined;
  readonly logger: Logger;
  /**
   * Directory of plain SQL files named NNNN_name.sql, applied in that order, and of
   * service_role.sql, which is applied at every start.
   */
  readonly directory: string;
}

/** Options of {@link migrate}; `url` is the owner's. */
export interface MigrationOptions extends SchemaOptions {
  /** How long to wait for another migrator, or for a lock on a table, in milliseconds. */
  readonly lockTimeoutMs: number;
  /** The login role of the service: service_role.sql grants to it as :"service_role". */
  readonly serviceRole: string;
}

interface Migration {
  readonly file: string;
  readonly checksum: string;
  readonly text: string;
}

interface Failure {
  readonly code: string;
  readonly message: string;
}

// Any number does, as long as no other program locks it in the same database.
const lockKey = 7_354_821;
const serviceRoleFile = "service_role.sql";

/** The database of a service, as its configuration names it. */
export interface ServiceDatabase {
  /** As the service's own role. */
  readonly url: string;
  /** As the owner of the schema; without it the schema is used as it is. */
  readonly migration_url?: string | undefined;
  /** Of both connections. */
  readonly tls?: ClientTls | undefined;
}

const migrationLockTimeoutMs = 30_000;

/**
 * Brings a service's schema up to date where it may, and checks it otherwise.
 *
 * @throws MigrationError
 */
export async function prepareSchema(
  { url, migration_url: ownerUrl, tls }: ServiceDatabase,
  directory: string,
  logger: Logger,
): Promise<void> {
  if (ownerUrl === undefined) return await checkMigrated({ url, tls, directory, logger });
  await migrate({
    url: ownerUrl,
    tls,
    directory,
    logger,
    lockTimeoutMs: migrationLockTimeoutMs,
    serviceRole: decodeURIComponent(new URL(url).username),
  });
}

/**
 * Applies the files that a database does not have yet, each in a transaction of its own together
 * with its row in `schema_migrations`. Any number of processes may do so at once, over one
 * database or several of one server.
 *
 * @throws MigrationError when a file fails, was changed since it was applied, or no lock was had
 */
export async function migrate(options: MigrationOptions): Promise<void> {
  const migrations = readMigrations(options.directory);
  const sql = connect(options, options.lockTimeoutMs);
  try {
    await createMigrationsTable(sql);
    let applied = await readApplied(sql);
    for (const migration of migrations) {
      if (!applied.has(migration.file)) {
        const startMs = performance.now();
        const first = await apply(sql, migration);
        applied = await readApplied(sql);
        const durationMs = Math.round(performance.now() - startMs);
        if (first) options.logger.info({ file: migration.file, durationMs }, "Migration applied");
      }
      refuseChanged(migration, applied);
    }
    await grantToService(sql, options);
  } catch (error) {
    throw asMigrationError(error);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/**
 * Checks that a database has every file of this release; a newer schema is accepted.
 *
 * @throws MigrationError naming `database.migration_url` when files are missing
 */
export async function checkMigrated(options: SchemaOptions): Promise<void> {
  const sql = connect(options, 2_000);
  try {
    const [table] = await sql`select to_regclass('schema_migrations') is not null as there`;
    const applied = table?.there === true ? await readApplied(sql) : new Map<string, string>();
    const missing = readMigrations(options.directory).filter(({ file }) => !applied.has(file));
    if (missing.length > 0) {
      const files = missing.map(({ file }) => file).join(", ");
      throw new MigrationError(
        `The database lacks the migrations ${files}. Set database.migration_url to a connection ` +
          "as the owner of the schema, and the service applies them when it starts.",
      );
    }
  } catch (error) {
    throw asMigrationError(error);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

function connect(options: SchemaOptions, lockTimeoutMs: number): postgres.Sql {
  return postgres(options.url, {
    ssl: postgresTls(options, options.logger),
    max: 1,
    connect_timeout: 2,
    onnotice: () => undefined,
    connection: {
      application_name: "pelikuni migrations",
      lock_timeout: lockTimeoutMs,
      statement_timeout: 0,
    },
  });
}

function readMigrations(directory: string): Migration[] {
  const files = readdirSync(directory)
    .filter((file) => file !== serviceRoleFile)
    .sort();
  const migrations = files.map((file) => {
    if (!/^[0-9]{4}_[a-z0-9_]+\.sql$/.test(file)) {
      throw new MigrationError(`${path.join(directory, file)} is not named like 0001_wallets.sql`);
    }
    const text = readFileSync(path.join(directory, file), "utf8").replaceAll("\r\n", "\n");
    if (/^\s*(begin|commit|rollback|start transaction)\s*;/im.test(text)) {
      throw new MigrationError(`${file} must not control transactions: each file is one already`);
    }
    return { file, text, checksum: createHash("sha256").update(text).digest("hex") };
  });
  const numbers = new Set(files.map((file) => file.slice(0, 4)));
  if (numbers.size < files.length) {
    throw new MigrationError(`${directory} has two files of one number: ${files.join(", ")}`);
  }
  return migrations;
}

// Statements sent together in one simple query are one transaction: it has no open state that a
// lost connection could leave behind, and a new connection cannot lose the lock in between.
const lock = `select pg_advisory_xact_lock(${lockKey});`;

async function createMigrationsTable(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`${lock}
    create table if not exists schema_migrations (
      file text primary key,
      checksum text not null,
      applied_at timestamptz not null default now()
    );
    grant select on schema_migrations to public;`);
}

async function readApplied(sql: postgres.Sql): Promise<Map<string, string>> {
  const rows = await sql<{ file: string; checksum: string }[]>`
    select file, checksum from schema_migrations order by file`;
  return new Map(rows.map(({ file, checksum }) => [file, checksum]));
}

/** Applies one file; false when another migrator was first. */
async function apply(sql: postgres.Sql, { file, checksum, text }: Migration): Promise<boolean> {
  try {
    // The row comes first: its key tells whoever waited for the lock that the file is applied.
    await sql.unsafe(`${lock}
      insert into schema_migrations (file, checksum) values ('${file}', '${checksum}');
      ${text}`);
    return true;
  } catch (error) {
    const failure = asFailure(error);
    if (failure?.code === "23505" && failure.message.includes("schema_migrations")) return false;
    if (failure === undefined) throw error;
    throw new MigrationError(
      `Migration ${file} failed, nothing of it was kept: ${failure.message} (${failure.code})`,
      { cause: error },
    );
  }
}

function refuseChanged(migration: Migration, applied: ReadonlyMap<string, string>): void {
  if (applied.get(migration.file) === migration.checksum) return;
  throw new MigrationError(
    `Migration ${migration.file} was changed after this database had applied it. ` +
      "Put the file back as it was, or, when its data may go, start with an empty database.",
  );
}

/**
 * Grants the service's role what it needs. At every start, since the role may be another one than
 * last time; granting again changes nothing.
 */
async function grantToService(
  sql: postgres.Sql,
  { directory, serviceRole }: MigrationOptions,
): Promise<void> {
  const grants = readFileSync(path.join(directory, serviceRoleFile), "utf8");
  const name = `"${serviceRole.replaceAll('"', '""')}"`;
  await sql.unsafe(`${lock} ${grants.replaceAll(':"service_role"', name)}`);
}

function asMigrationError(error: unknown): unknown {
  if (error instanceof MigrationError) return error;
  const failure = asFailure(error);
  if (failure === undefined) return error;
  const busy = failure.code === "55P03" ? " (another process holds the lock; try again)" : "";
  return new MigrationError(
    `The schema could not be prepared: ${failure.message} (${failure.code})${busy}. ` +
      "Look at database.url, database.migration_url and database.tls.",
    { cause: error },
  );
}

function asFailure(error: unknown): Failure | undefined {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") {
    return undefined;
  }
  return { code: error.code, message: error.message };
}
