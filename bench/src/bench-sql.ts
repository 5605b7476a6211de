import { setTimeout as delay } from "node:timers/promises";
import postgres from "postgres";

const pollMs = 10;
const reachMsMax = 300_000;

/** Works with one connection to a database, and closes it. */
export async function withClient<T>(
  url: string,
  work: (sql: postgres.Sql) => Promise<T>,
): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/**
 * Asks a database every ten milliseconds until something is reached.
 *
 * @throws Error when it takes five minutes; the signal's reason when that aborts
 */
export async function pollUntil(
  url: string,
  signal: AbortSignal,
  isReached: (sql: postgres.Sql) => Promise<boolean>,
): Promise<void> {
  const deadline = AbortSignal.timeout(reachMsMax);
  await withClient(url, async (sql) => {
    while (!(await isReached(sql))) {
      if (deadline.aborted) throw new Error(`It takes more than ${reachMsMax} ms.`);
      await delay(pollMs, undefined, { signal });
    }
  });
}

/** Waits until the relay has published a journal on a topic, all events of it. */
export async function awaitPublished(
  url: string,
  topic: string,
  events: number,
  signal: AbortSignal,
): Promise<void> {
  await pollUntil(url, signal, async (sql) => {
    const [row] = await sql<{ position: number }[]>`
      select position::int as position from journal_cursors where topic = ${topic}`;
    return row?.position === events;
  });
}
