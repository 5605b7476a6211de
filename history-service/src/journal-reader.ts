import { type Client, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  EventFormat,
  type SubscribeEventsResponse,
  WalletService,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import type { Logger } from "pino";
import type { PlacedMessage } from "./waiting-event-store.ts";

/** Asks the wallet-service what its journal holds: the truth, when other sources are in doubt. */
export interface JournalReader {
  /** The position of its last event; undefined when it cannot be asked. */
  readLastPosition(): Promise<bigint | undefined>;
  /** The event at a position; undefined when it cannot be had in time. */
  readEvent(position: bigint): Promise<PlacedMessage | undefined>;
  /**
   * The events from one position to another, in order.
   *
   * @throws ConnectError
   */
  readEvents(first: bigint, last: bigint, stop: AbortSignal): AsyncIterable<PlacedMessage>;
}

/** Where the messages of the feed come from, as a parked one tells. */
export const feedTopic = "feed";

const answerMsMax = 3_000;
const rangeMsMax = 60_000;

/** @param transport reaches the wallet-service */
export function createJournalReader(transport: Transport, logger: Logger): JournalReader {
  const wallets = createClient(WalletService, transport);

  async function* readEvents(
    { first, last }: { first: bigint; last: bigint },
    options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
  ): AsyncGenerator<PlacedMessage> {
    for await (const message of subscribe(wallets, first - 1n, options)) {
      yield message;
      if (message.position >= last) return;
    }
  }

  async function orUndefined<T>(asking: Promise<T>): Promise<T | undefined> {
    try {
      return await asking;
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      logger.debug({ error }, "The wallet-service could not be asked about its journal.");
      return undefined;
    }
  }

  return {
    readLastPosition: () =>
      orUndefined(
        wallets.getLastPosition({}, { timeoutMs: answerMsMax }).then(({ position }) => position),
      ),
    readEvent: (position) =>
      orUndefined(
        (async () => {
          const range = { first: position, last: position };
          for await (const message of readEvents(range, { timeoutMs: answerMsMax })) return message;
          return undefined;
        })(),
      ),
    readEvents: (first, last, signal) =>
      readEvents({ first, last }, { timeoutMs: rangeMsMax, signal }),
  };
}

/** Streams the feed behind a position, until the signal aborts. */
export async function* subscribe(
  wallets: Client<typeof WalletService>,
  afterPosition: bigint,
  options: { readonly timeoutMs?: number; readonly signal?: AbortSignal },
): AsyncGenerator<PlacedMessage> {
  const request = { afterPosition, format: EventFormat.BYTES };
  for await (const event of wallets.subscribeEvents(request, options)) yield feedMessage(event);
}

function feedMessage({ position, content, journalHash }: SubscribeEventsResponse): PlacedMessage {
  return {
    position,
    bytes: content.case === "eventBytes" ? content.value : new Uint8Array(),
    journalHash: journalHash.length > 0 ? journalHash : undefined,
    origin: { topic: feedTopic, partition: 0, offset: position },
    confirmed: true,
  };
}
