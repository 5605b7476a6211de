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
  /** How long history may lack its next event before it is fetched; milliseconds. */
  readonly patienceMs?: number;
}

const lookIntervalMs = 1_000;
const patienceMsDefault = 5_000;
const patienceMsMax = 60_000;
const eventsPerRoundMax = 100_000n;
const eventsPerBatchMax = 500;

/**
 * Fetches from the wallet-service's feed what the source does not bring: messages that are gone from
 * the topic, or that a consumer group has passed which remembers more than the database does. It acts
 * when history has lacked its next event for some seconds, on as many events as are missing before
 * the next one that waits; after rounds that did not help, ever later.
 */
export function startGapHealing(parts: GapHealingParts): AsyncDisposable {
  const { pool, journal, ingestion, logger, patienceMs: patienceMsMin = patienceMsDefault } = parts;
  let mark: bigint | undefined;
  let sinceMs = 0;
  let patienceMs = patienceMsMin;

  async function round(stop: AbortSignal): Promise<void> {
    const { completeTo, stoppedReason } = await pool.read(readProgress);
    const hasMoved = completeTo !== mark;
    if (hasMoved) patienceMs = patienceMsMin;
    if (!hasMoved && performance.now() - sinceMs < patienceMs) return;
    if (!hasMoved && stoppedReason === undefined) await heal(completeTo, stop);
    mark = completeTo;
    sinceMs = performance.now();
  }

  async function heal(completeTo: bigint, stop: AbortSignal): Promise<void> {
    const end = await journal.readLastPosition();
    if (end === undefined || end <= completeTo) return;
    const first = completeTo + 1n;
    const waiting = await pool.read((sql) => readFirstWaiting(sql, completeTo));
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
