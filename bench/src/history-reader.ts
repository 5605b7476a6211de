import { once } from "node:events";
import type { Logger } from "@pelikuni/runtime/logger";
import type { EventIngestion } from "../../history-service/src/event-ingestion.ts";
import {
  type EventSourceOptions,
  startEventSource,
} from "../../history-service/src/event-source.ts";
import type { ArrivedMessage } from "../../history-service/src/parked-event-store.ts";
import { createSourceHealth } from "../../history-service/src/source-health.ts";

const readMsMax = 300_000;

/**
 * Reads events as the history-service does, again after a failure, but stores nothing.
 *
 * @param options.source makes the reader that gives messages to this ingestion
 * @param options.take gets what was read; true: that was all
 * @throws Error when it takes five minutes, or the signal aborts
 */
export async function readEvents(options: {
  readonly source: (ingestion: EventIngestion) => EventSourceOptions["readOn"];
  readonly take: (messages: readonly ArrivedMessage[]) => boolean;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { take } = options;
  // A Kafka that has just started refuses for a moment, which is no news: it is tried again.
  const logger = options.logger.child({}, { level: "error" });
  const done = new AbortController();
  const ingestion: EventIngestion = {
    resume: async () => 0n,
    ingest: async (messages) => {
      if (take(messages)) done.abort();
    },
    replay: async () => undefined,
  };
  const readOn = options.source(ingestion);
  const end = AbortSignal.any([options.signal, AbortSignal.timeout(readMsMax), done.signal]);
  await using _source = startEventSource({
    readOn,
    health: createSourceHealth(Date.now),
    logger,
    random: Math.random,
  });
  if (!end.aborted) await once(end, "abort");
  if (!done.signal.aborted) throw new Error("The events could not be read.");
}
