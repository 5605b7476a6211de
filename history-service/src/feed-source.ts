import { setTimeout as delay } from "node:timers/promises";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import {
  EventFormat,
  type SubscribeEventsResponse,
  WalletService,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import type { Logger } from "pino";
import { createBoundedQueue } from "./bounded-queue.ts";
import type { EventIngestion } from "./event-ingestion.ts";
import { IngestionStopped } from "./event-store.ts";
import type { ArrivedMessage } from "./parked-event-store.ts";

/** What the source works with. */
export interface FeedSourceParts {
  /** Reaches the wallet-service. */
  readonly transport: Transport;
  readonly ingestion: EventIngestion;
  readonly logger: Logger;
  /** A number from 0 up to 1, for the jitter of the back-off. */
  readonly random: () => number;
}

/** Where the messages of the feed come from, as a parked one tells. */
export const feedTopic = "feed";

const eventsPerBatchMax = 1_000;
const eventsWaitingMax = 4_000;
// Events gather so long before a batch is stored: it costs Postgres a commit, however small it is.
const gatherMs = 5;
const backoffMinMs = 100;
const backoffMaxMs = 5_000;

/**
 * Reads the wallet-service's change feed into history, and keeps at it: it begins behind what is
 * complete, and again after every failure. Disposing it lets the batch in flight finish.
 */
export function startFeedSource(parts: FeedSourceParts): AsyncDisposable {
  const { ingestion, logger } = parts;
  const wallets = createClient(WalletService, parts.transport);
  const stop = new AbortController();
  let failures = 0;

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        await readOn(wallets, ingestion, stop.signal, () => {
          failures = 0;
        });
      } catch (error) {
        if (stop.signal.aborted) return;
        if (error instanceof IngestionStopped) {
          return logger.fatal({ reason: error.message }, "Ingestion has stopped for good.");
        }
        // Hours of the same outage are told once, and in the debug log.
        const level = failures === 0 ? "warn" : "debug";
        logger[level]({ error, failures }, "The feed broke off; it is opened again.");
      }
      const backoffMs = Math.min(backoffMaxMs, backoffMinMs * 2 ** failures);
      failures += 1;
      await pause(backoffMs * (0.5 + parts.random() / 2), stop.signal);
    }
  }

  const running = run();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

/** Reads until the feed ends or fails; what has arrived by then is stored. */
async function readOn(
  wallets: Client<typeof WalletService>,
  ingestion: EventIngestion,
  stop: AbortSignal,
  onProgress: () => void,
): Promise<void> {
  const completeTo = await ingestion.resume();
  // The last known event comes once more: when the wallet-service was restored from a backup and
  // has another history since, it arrives with other bytes.
  const afterPosition = completeTo > 0n ? completeTo - 1n : 0n;
  const queue = createBoundedQueue<ArrivedMessage>(eventsWaitingMax);
  const reading = new AbortController();
  const signal = AbortSignal.any([stop, reading.signal]);
  const events = wallets.subscribeEvents({ afterPosition, format: EventFormat.BYTES }, { signal });
  const reader = fill(events, queue.put).finally(queue.close);
  // It is awaited below, after the writer.
  reader.catch(() => undefined);
  try {
    for (;;) {
      const messages = await queue.take(eventsPerBatchMax);
      if (messages.length === 0) break;
      await ingestion.ingest(messages);
      onProgress();
      if (messages.length < eventsPerBatchMax) await pause(gatherMs, stop);
    }
  } finally {
    reading.abort();
    queue.close();
  }
  await reader;
}

async function fill(
  events: AsyncIterable<SubscribeEventsResponse>,
  put: (message: ArrivedMessage) => Promise<void>,
): Promise<void> {
  for await (const { position, content, journalHash } of events) {
    await put({
      position,
      bytes: content.case === "eventBytes" ? content.value : new Uint8Array(),
      journalHash: journalHash.length > 0 ? journalHash : undefined,
      origin: { topic: feedTopic, partition: 0, offset: position },
    });
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
