import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import type { ConnectError, ServiceImpl } from "@connectrpc/connect";
import { WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import {
  EventFormat,
  type SnapshotWalletsResponseSchema,
  type SubscribeEventsResponseSchema,
  type WalletService,
  WalletStateSchema,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { eventsBehind, type JournalEvent, readJournal } from "../change-feed.ts";
import { CommandFault } from "../command-outcome.ts";
import { lastPosition } from "../journal-store.ts";
import type { WalletEngine } from "../wallet-engine.ts";
import { faultError } from "../wallet-errors.ts";
import type { RecordedWallet } from "../wallet-events.ts";
import { snapshotWallets } from "../wallet-snapshot.ts";
import { walletMessage } from "./messages.ts";
import { orUnavailable, orUnavailableStream } from "./reads.ts";

type Handlers = Pick<
  ServiceImpl<typeof WalletService>,
  "subscribeEvents" | "getLastPosition" | "snapshotWallets"
>;

// Each may hold a page of the journal for hours. Who needs more readers has Kafka.
const feedsOpenMax = 100;

/** The handlers that stream what has happened, and what is. */
export function eventRpc(parts: WalletEngine): Handlers {
  let feedsOpen = 0;
  return {
    async *subscribeEvents({ afterPosition, format }, { signal }) {
      if (signal.aborted) return;
      if (feedsOpen >= feedsOpenMax) throw tooManyFeeds();
      feedsOpen += 1;
      // It aborts however the call ends, also when nobody asks for the next event any more.
      const release = (): void => {
        feedsOpen -= 1;
      };
      signal.addEventListener("abort", release, { once: true });
      const asBytes = format === EventFormat.BYTES;
      const segments = readJournal(parts.pool, parts.tail, afterPosition, signal);
      for await (const segment of orUnavailableStream(segments)) {
        for (const event of eventsBehind(segment, afterPosition)) yield feedEvent(event, asBytes);
      }
    },

    async getLastPosition() {
      return { position: await orUnavailable(parts.pool.read(lastPosition)) };
    },

    async *snapshotWallets() {
      const snapshot = snapshotWallets(parts.openClient("snapshot"));
      for await (const part of orUnavailableStream(snapshot)) {
        if (typeof part === "bigint") yield { content: { case: "position", value: part } };
        else for (const wallet of part) yield snapshotOf(wallet);
      }
    },
  };
}

function tooManyFeeds(): ConnectError {
  const message = `${feedsOpenMax} readers have the change feed open already.`;
  return faultError(new CommandFault("OVERLOADED", message), "");
}

function feedEvent(
  { position, bytes, journalHash = new Uint8Array() }: JournalEvent,
  asBytes: boolean,
): MessageInitShape<typeof SubscribeEventsResponseSchema> {
  return asBytes
    ? { position, content: { case: "eventBytes", value: bytes }, journalHash }
    : {
        position,
        content: { case: "event", value: fromBinary(WalletEventSchema, bytes) },
        journalHash,
      };
}

function snapshotOf(
  wallet: RecordedWallet,
): MessageInitShape<typeof SnapshotWalletsResponseSchema> {
  const value = create(WalletStateSchema, { wallet: walletMessage(wallet), head: wallet.head });
  return { content: { case: "wallet", value } };
}
