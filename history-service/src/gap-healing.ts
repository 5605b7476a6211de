import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { repeatEvery } from "@pelikuni/runtime/repeat-every";
import type { Logger } from "pino";
import type { EventIngestion } from "./event-ingestion.ts";
import { readProgress } from "./event-store.ts";
import type { JournalReader } from "./journal-reader.ts";
import { type PlacedMessage, readFirstWaiting } from "./waiting-event-store.ts";

/** What gaps are healed with. */
export interface GapHealingParts {
  readonly pool: DatabaseClient;
  readonly journal: JournalReader;
  readonly ingestion: EventIngestion;
  readonly logger: Logger;
  /** How long history may lack an event before one that waits; milliseconds. */
  readonly patienceMs?: number;
}

const lookIntervalMs = 1_000;
const patienceMsDefault = 5_000;
const patienceMsMax = 60_000;
// Nothing waits: the source may be about to bring it all, such as a consumer group that forms.
const patienceFactorIfNothingWaits = 6;
const eventsPerRoundMax = 20_000n;
const eventsPerBatchMax = 500;

/**
 * Fetches from the wallet-service's feed what the source does not bring: messages that are gone from
 * the topic, or that a consumer group has passed which remembers more than the database does. It acts
 * when history has lacked its next event for some seconds, on the events that are missing before
 * the next one that waits; when nothing waits, much later; after rounds that did not help, ever later.
 */
export function startGapHealing(parts: GapHealingParts): AsyncDisposable {
  const { pool, journal, ingestion, logger, patienceMs: patienceMsMin = patienceMsDefault } = parts;
  let mark: bigint | undefined;
  let healedTo: bigint | undefined;
  let sinceMs = 0;
  let patienceMs = patienceMsMin;

  async function round(stop: AbortSignal): Promise<void> {
    const { completeTo, stoppedReason } = await pool.read(readProgress);
    if (completeTo !== mark) patienceMs = patienceMsMin;
    // Where a round has brought it, it goes on at once; elsewhere the source is at work.
    if (completeTo !== mark && completeTo !== healedTo) sinceMs = performance.now();
    mark = completeTo;
    const lackedMs = performance.now() - sinceMs;
    if (lackedMs < patienceMs || stoppedReason !== undefined) return;
    const waiting = await pool.read((sql) => readFirstWaiting(sql, completeTo));
    if (waiting === undefined && lackedMs < patienceMs * patienceFactorIfNothingWaits) return;
    const end = await journal.readLastPosition();
    if (end === undefined) return;
    if (end <= completeTo) sinceMs = performance.now();
    else await heal({ completeTo, waiting, end }, stop);
  }

  async function heal(
    { completeTo, waiting, end }: { completeTo: bigint; waiting: bigint | undefined; end: bigint },
    stop: AbortSignal,
  ): Promise<void> {
    const first = completeTo + 1n;
    // One that waits for the very next position is in doubt: the feed decides.
    const missingTo = waiting === undefined ? end : waiting > first ? waiting - 1n : first;
    const roundTo = completeTo + eventsPerRoundMax;
    const last = missingTo < roundTo ? missingTo : roundTo;
    logger.warn({ first, last, patienceMs }, "Missing events are fetched from the change feed.");
    patienceMs = Math.min(patienceMs * 2, patienceMsMax);
    let batch: PlacedMessage[] = [];
    for await (const message of journal.readEvents(first, last, stop)) {
      batch.push(message);
      if (batch.length < eventsPerBatchMax) continue;
      await ingestion.ingest(batch);
      batch = [];
    }
    await ingestion.ingest(batch);
    healedTo = last;
  }

  return repeatEvery(Math.min(lookIntervalMs, patienceMsMin), async (stop) => {
    try {
      await round(stop);
    } catch (error) {
      // The source reports the same outage, and the next round tries again.
      logger.debug({ error }, "Missing events could not be fetched.");
    }
  });
}
