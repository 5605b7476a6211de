import type { Logger } from "pino";
import postgres from "postgres";
import type { ClientTls } from "./certificates.ts";
import { CallTimedOut, DatabaseUnavailable, databaseFault } from "./database-fault.ts";
import { postgresTls } from "./postgres-tls.ts";

/** The driver's client as stores see it: bigint columns are JavaScript bigints. */
export type Sql = postgres.Sql<{ bigint: bigint }>;

/** How a client reaches its database. */
export interface DatabaseClientOptions {
  /** `postgres://user:password@host:port/database`; several hosts may be named. */
  readonly url: string;
  /** Left out: as the URL's sslmode says, unencrypted without one. */
  readonly tls?: ClientTls | undefined;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** How many connections the client keeps at most. */
  readonly connectionsMax: number;
  /** How long one call may take, connecting included. */
  readonly callTimeoutMs: number;
  readonly logger: Logger;
}

/**
 * A Postgres client whose calls end in time. After a connection was closed, or a call got no answer,
 * the driver's client is dropped and a new one made: it never hands out what is left of the old one.
 */
export interface DatabaseClient extends AsyncDisposable {
  /** Runs the work once. The work is one call, or several that are sent together. */
  call<T>(work: (sql: Sql) => Promise<T>, timeoutMs?: number): Promise<T>;
  /**
   * Runs work that only reads; once more when the connection was lost under it, both in the time of
   * one call.
   */
  read<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /** Drops every connection, and with them what is open on it; later calls make new ones. */
  reset(): void;
}

const connectTimeoutMs = 2_000;
const reconnectBackoffSeconds = 0.2;
const lockTimeoutMs = 2_000;
const statementTimeoutMs = 2_500;
const connectionCheckIntervalMs = 200;
const closeTimeoutSeconds = 2;

/**
 * Creates a client; it connects with the first call.
 * @throws OperatorError when what URL and settings say of TLS cannot be used
 */
export function createDatabaseClient(options: DatabaseClientOptions): DatabaseClient {
  const ssl = postgresTls(options, options.logger);
  let current = connect(options, ssl, replace);
  let disposed = false;

  function replace(broken: Connected): void {
    if (broken !== current || disposed) return;
    current = connect(options, ssl, replace);
    close(broken.sql, options.logger);
  }

  async function call<T>(
    work: (sql: Sql) => Promise<T>,
    timeoutMs = options.callTimeoutMs,
  ): Promise<T> {
    const used = current;
    let sent = false;
    try {
      return await withTimer(async () => {
        // A call that fails on this question was never sent: its outcome is known. The driver would
        // connect again and again without a word where connections are accepted and closed.
        if (!used.alive) await withTimer(() => used.sql`select 1`, connectTimeoutMs);
        used.alive = true;
        sent = true;
        return await work(used.sql);
      }, timeoutMs);
    } catch (error) {
      const unavailable = databaseFault(error, sent);
      if (unavailable === undefined) throw error;
      options.logger.warn({ error: unavailable }, "The database did not answer a call.");
      replace(used);
      throw unavailable;
    }
  }

  return {
    call,
    async read(work) {
      const untilMs = performance.now() + options.callTimeoutMs;
      try {
        return await call(work);
      } catch (error) {
        if (!(error instanceof DatabaseUnavailable) || error.away) throw error;
        return await call(work, Math.max(1, untilMs - performance.now()));
      }
    },
    reset() {
      replace(current);
    },
    async [Symbol.asyncDispose]() {
      disposed = true;
      await current.sql.end({ timeout: closeTimeoutSeconds });
    },
  };
}

/** The driver's client, and whether it ever answered. */
interface Connected {
  readonly sql: Sql;
  alive: boolean;
}

/**
 * @param onClose told when a connection of it was closed: what the driver was given between the
 *   connection's error and its close is never answered, unless the client is ended
 */
function connect(
  options: DatabaseClientOptions,
  ssl: ReturnType<typeof postgresTls>,
  onClose: (closed: Connected) => void,
): Connected {
  const sql = postgres(options.url, {
    ssl,
    max: options.connectionsMax,
    backoff: () => reconnectBackoffSeconds,
    connect_timeout: connectTimeoutMs / 1_000,
    // A connection is closed when it breaks, not because of its age in the middle of a group.
    max_lifetime: null,
    types: { bigint: postgres.BigInt },
    // Its look-up ends in an unhandled rejection when the connection breaks at that moment.
    fetch_types: false,
    onclose: () => onClose(connected),
    onnotice: (notice) => options.logger.debug({ notice }, "Postgres sent a notice."),
    connection: {
      application_name: options.applicationName,
      TimeZone: "UTC",
      lock_timeout: lockTimeoutMs,
      statement_timeout: statementTimeoutMs,
      // A backend whose client is gone stops waiting for locks. Windows has no way to notice.
      ...(process.platform === "win32"
        ? {}
        : { client_connection_check_interval: connectionCheckIntervalMs }),
    },
  });
  const connected = { sql, alive: false };
  return connected;
}

function close(sql: Sql, logger: Logger): void {
  sql.end({ timeout: 0 }).catch((error: unknown) => {
    logger.debug({ error }, "Closing a broken database client failed.");
  });
}

async function withTimer<T>(work: () => Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new CallTimedOut(timeoutMs));
    }, timeoutMs);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
