import { createClient, type Transport } from "@connectrpc/connect";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { pause } from "@pelikuni/runtime/pause";
import { createBoundedQueue } from "./bounded-queue.ts";
import type { EventIngestion } from "./event-ingestion.ts";
import { subscribe } from "./journal-reader.ts";
import type { ArrivedMessage } from "./parked-event-store.ts";

/** What the source works with. */
export interface FeedSourceParts {
  /** Reaches the wallet-service. */
  readonly transport: Transport;
  readonly ingestion: EventIngestion;
}

const eventsPerBatchMax = 1_000;
const eventsWaitingMax = 4_000;
// Events gather so long before a batch is stored: it costs Postgres a commit, however small it is.
const gatherMs = 5;

/**
 * Reads the wallet-service's change feed into history, beginning behind what is complete, until the
 * feed ends or fails; what has arrived by then is stored.
 *
 * @throws IngestionStopped, DatabaseUnavailable, ConnectError
 */
export async function readFeed(
  { transport, ingestion }: FeedSourceParts,
  stop: AbortSignal,
  onProgress: () => void,
): Promise<void> {
  const wallets = createClient(WalletService, transport);
  const completeTo = await ingestion.resume();
  // The last known event comes once more: when the wallet-service was restored from a backup and
  // has another history since, it arrives with other bytes.
  const afterPosition = completeTo > 0n ? completeTo - 1n : 0n;
  const queue = createBoundedQueue<ArrivedMessage>(eventsWaitingMax);
  const reading = new AbortController();
  const signal = AbortSignal.any([stop, reading.signal]);
  const reader = fill(subscribe(wallets, afterPosition, { signal }), queue.put).finally(
    queue.close,
  );
  // It is awaited below, after the writer.
  reader.catch(() => undefined);
  let storing: Promise<void> = Promise.resolve();
  try {
    for (;;) {
      const messages = await queue.take(eventsPerBatchMax);
      // While one batch is stored, the next one is decoded.
      const next = ingestion.ingest(messages).then(() => {
        // A feed that ends or fails at once leaves nothing.
        if (messages.length > 0) onProgress();
      });
      // A failure must be noticed although no further event may come for long.
      next.catch(queue.close);
      await storing;
      storing = next;
      if (messages.length === 0) break;
      if (messages.length < eventsPerBatchMax) await pause(gatherMs, stop);
    }
  } finally {
    reading.abort();
    queue.close();
  }
  await storing;
  if (!stop.aborted) await reader;
}

async function fill(
  messages: AsyncIterable<ArrivedMessage>,
  put: (message: ArrivedMessage) => Promise<void>,
): Promise<void> {
  for await (const message of messages) await put(message);
}
