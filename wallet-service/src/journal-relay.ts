import { createKafka, type UsedKafka } from "@pelikuni/runtime/kafka";
import { tryToLead } from "@pelikuni/runtime/leadership";
import { pause } from "@pelikuni/runtime/pause";
import type { PositionTail } from "@pelikuni/runtime/position-tail";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import type { Logger } from "pino";
import { createRetentionCheck } from "./event-topics.ts";
import { readCursor } from "./journal-cursor-store.ts";
import { publishJournal } from "./journal-publisher.ts";
import { lastPosition } from "./journal-store.ts";

/** What the relay works with. */
export interface JournalRelayOptions {
  readonly kafka: UsedKafka;
  /** For reading the journal. */
  readonly pool: DatabaseClient;
  readonly tail: PositionTail;
  /** Makes a client of one connection. */
  readonly openClient: (use: string) => DatabaseClient;
  readonly logger: Logger;
}

/** The relay of this replica. Disposing it finishes the batch under way. */
export interface JournalRelay extends AsyncDisposable {
  /** Whether this replica is the one that publishes. */
  isLeading(): boolean;
  /**
   * How many events of the journal are not known to be published, by whichever replica.
   *
   * @throws DatabaseUnavailable
   */
  readLag(): Promise<bigint>;
}

const leaderLockId = 7_002;
const leaderPollMs = 1_000;
const retryFirstMs = 200;
const retryMaxMs = 5_000;
const lagLogIntervalMs = 10_000;

/**
 * Publishes the journal on Kafka whenever this replica leads. Nothing fails for good: after a fault
 * the right to lead is given up, so that another replica may try, and sought again a little later.
 */
export function startJournalRelay(options: JournalRelayOptions): JournalRelay {
  const { kafka: configuration, pool, tail, logger } = options;
  const kafka = createKafka(configuration, logger);
  const session = options.openClient("relay");
  const stop = new AbortController();
  const checkRetention = createRetentionCheck(kafka, configuration, logger);
  const state = { leading: false, failures: 0, published: 0n };

  async function leadOnce(): Promise<void> {
    await using leadership = await tryToLead(session, leaderLockId);
    if (leadership === undefined) return;
    state.leading = true;
    logger.info({ topic: configuration.topic }, "This replica publishes the journal");
    await checkRetention();
    const signal = AbortSignal.any([stop.signal, leadership.lost]);
    const onPublished = (position: bigint): void => {
      if (state.published < position) state.failures = 0;
      state.published = position;
    };
    await publishJournal({ kafka, configuration, pool, tail, onPublished }, leadership, signal);
  }

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      let pauseMs = leaderPollMs;
      try {
        await leadOnce();
      } catch (error) {
        state.failures += 1;
        pauseMs = Math.min(retryMaxMs, retryFirstMs * 2 ** (state.failures - 1));
        logger.warn({ error, failures: state.failures }, "Publishing the journal was interrupted");
      }
      state.leading = false;
      // Replicas are not to try in step.
      await pause(pauseMs * (0.5 + Math.random()), stop.signal);
    }
  }

  async function readLag(): Promise<bigint> {
    const last = await pool.read(lastPosition);
    return last - (await pool.read((sql) => readCursor(sql, configuration.topic)));
  }

  const running = run();
  const lagLog = logLag({ state, readLast: () => pool.read(lastPosition), logger });
  return {
    isLeading: () => state.leading,
    readLag,
    async [Symbol.asyncDispose]() {
      stop.abort();
      clearInterval(lagLog);
      await running;
      await session[Symbol.asyncDispose]();
    },
  };
}

/** Logs at intervals while the events of an interval ago are not published yet. */
function logLag(options: {
  readonly state: {
    readonly leading: boolean;
    readonly failures: number;
    readonly published: bigint;
  };
  readonly readLast: () => Promise<bigint>;
  readonly logger: Logger;
}): NodeJS.Timeout {
  const { state, readLast, logger } = options;
  let lastBefore = 0n;
  async function look(): Promise<void> {
    // A replica that neither publishes nor fails in trying knows nothing.
    if (!state.leading && state.failures === 0) return;
    const last = await readLast();
    const lag = Number(last - state.published);
    if (state.published < lastBefore)
      logger.warn({ lag }, "Published events lag behind the journal");
    lastBefore = last;
  }
  const timer = setInterval(() => {
    look().catch((error: unknown) => logger.debug({ error }, "The lag is not known"));
  }, lagLogIntervalMs);
  return timer.unref();
}
