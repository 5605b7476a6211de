import { randomUUID } from "node:crypto";
import type { DatabaseClient, Sql } from "./postgres.ts";

/** The right to do what only one process may do at a time. Disposing gives it up. */
export interface Leadership extends AsyncDisposable {
  /** Aborted once the right is lost, or may be. */
  readonly lost: AbortSignal;
  /**
   * Runs one statement in the session that holds the right.
   *
   * @throws LeadershipLost when it was another session; the statement has then been carried out
   */
  call<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
}

/** Another process may have the right by now. */
export class LeadershipLost extends Error {
  override name = "LeadershipLost";
}

const heartbeatMs = 1_000;
// A leader that is frozen, or whose machine is gone without a word, loses its session after this.
const silentMaxMs = 5_000;

/**
 * Tries to become the only leader: by an advisory lock that a database session holds, hence nobody
 * holds it longer than his session. A client that has lost its session has another one without
 * the lock, which does not know the token.
 *
 * @param client of one connection, used for nothing else
 * @param lockId which right it is, in this database
 * @returns undefined while another process leads
 * @throws DatabaseUnavailable
 */
export async function tryToLead(
  client: DatabaseClient,
  lockId: number,
): Promise<Leadership | undefined> {
  const token = randomUUID();
  const taken = await client.call(async (sql) => {
    const rows = await sql<{ taken: boolean }[]>`
      select set_config('pelikuni.leader', ${token}, false),
        set_config('idle_session_timeout', ${String(silentMaxMs)}, false),
        pg_try_advisory_lock(${lockId}) as taken`;
    return rows[0]?.taken === true;
  });
  return taken ? lead(client, token) : undefined;
}

function lead(client: DatabaseClient, token: string): Leadership {
  const lost = new AbortController();

  async function call<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    try {
      const [result, rows] = await client.call((sql) => {
        // Sent together, so that both are answered by the same session.
        const holder = sql<{ token: string | null }[]>`
          select current_setting('pelikuni.leader', true) as token`;
        return Promise.all([work(sql), holder]);
      });
      if (rows[0]?.token !== token) throw new LeadershipLost("The database session is another one");
      return result;
    } catch (error) {
      lost.abort();
      throw error;
    }
  }

  const timer = setInterval(() => {
    // Whoever works under the right learns it from the signal.
    call((sql) => sql`select 1`).catch(() => undefined);
  }, heartbeatMs);
  return {
    lost: lost.signal,
    call,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      lost.abort();
      client.reset();
    },
  };
}
