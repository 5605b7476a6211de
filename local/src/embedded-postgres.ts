import type { Logger } from "@pelikuni/runtime/logger";
import postgres from "postgres";
import { claimDirectory } from "./instance-owner.ts";
import { findPostgresBinaries } from "./postgres-binaries.ts";
import { type ClusterConnection, openCluster, ownerRole, serviceRole } from "./postgres-cluster.ts";
import { findPostgresPlace } from "./postgres-place.ts";
import { type PostgresServer, startPostgresServer } from "./postgres-server.ts";

/** What an embedded Postgres is to be. */
export interface EmbeddedPostgresOptions {
  /** Where data, log and passwords lie; made when missing. */
  readonly directory: string;
  /** TCP port on the loopback interface; 0, the default: a free one, if possible the last one. */
  readonly port?: number;
  readonly logger: Logger;
}

/** A running PostgreSQL server of our own; disposing stops it. */
export interface EmbeddedPostgres extends AsyncDisposable {
  readonly port: number;
  /** Connection as the role that owns the databases and may create roles. */
  ownerUrl(database: string): string;
  /** Connection as the services' role, which has no right of its own. */
  serviceUrl(database: string): string;
  /** Creates a database of the owner, unless there is one of this name. */
  createDatabase(name: string): Promise<void>;
}

/**
 * Starts a real PostgreSQL server on a directory that no other process of ours works in. A
 * server that a killed process left running there is stopped first.
 *
 * @throws OperatorError when another process has the directory, the port is taken, the data are
 * of another version, or there are no binaries for this machine
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const place = findPostgresPlace(options.directory);
  const claim = claimDirectory(place.directory);
  try {
    const binaries = findPostgresBinaries(place.user);
    const connection = await openCluster(place, binaries, options.logger);
    const server = await startPostgresServer({
      place,
      binaries,
      connection,
      port: options.port ?? 0,
      logger: options.logger,
    });
    return describe(server, connection, claim.release);
  } catch (error) {
    claim.release();
    throw error;
  }
}

function describe(
  server: PostgresServer,
  connection: ClusterConnection,
  release: () => void,
): EmbeddedPostgres {
  const url = (role: string, password: string, database: string): string =>
    `postgres://${role}:${password}@127.0.0.1:${server.port}/${database}`;
  const ownerUrl = (database: string): string => url(ownerRole, connection.ownerPassword, database);
  return {
    port: server.port,
    ownerUrl,
    serviceUrl: (database) => url(serviceRole, connection.servicePassword, database),
    createDatabase: (name) => createDatabase(ownerUrl("postgres"), name),
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      release();
    },
  };
}

async function createDatabase(url: string, name: string): Promise<void> {
  const sql = postgres(url, { max: 1 });
  try {
    const [existing] = await sql`select 1 from pg_database where datname = ${name}`;
    if (existing === undefined) await sql`create database ${sql(name)}`;
  } finally {
    await sql.end({ timeout: 1 });
  }
}
