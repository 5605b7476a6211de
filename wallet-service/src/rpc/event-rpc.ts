import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import {
  EventFormat,
  type SnapshotWalletsResponseSchema,
  type SubscribeEventsResponseSchema,
  type WalletService,
  WalletStateSchema,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { eventsBehind, type JournalEvent, readJournal } from "../change-feed.ts";
import type { WalletEngine } from "../wallet-engine.ts";
import type { RecordedWallet } from "../wallet-events.ts";
import { snapshotWallets } from "../wallet-snapshot.ts";
import { walletMessage } from "./messages.ts";
import { orUnavailableStream } from "./reads.ts";

type Handlers = Pick<ServiceImpl<typeof WalletService>, "subscribeEvents" | "snapshotWallets">;

/** The handlers that stream what has happened, and what is. */
export function eventRpc(parts: WalletEngine): Handlers {
  return {
    async *subscribeEvents({ afterPosition, format }, { signal }) {
      const asBytes = format === EventFormat.BYTES;
      const segments = readJournal(parts.pool, parts.tail, afterPosition, signal);
      for await (const segment of orUnavailableStream(segments)) {
        for (const event of eventsBehind(segment, afterPosition)) yield feedEvent(event, asBytes);
      }
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
