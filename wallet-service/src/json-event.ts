import { fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type WalletChange,
  type WalletEvent,
  WalletEventSchema,
} from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import type { Message } from "kafkajs";

/**
 * The message that the earlier version sent for an event: JSON tagged by event_type, keyed by the
 * wallet, for a transfer by the sending one.
 *
 * @returns undefined for a kind that the earlier version did not have
 */
export function jsonEventMessage(bytes: Uint8Array): Message | undefined {
  const event = fromBinary(WalletEventSchema, bytes);
  const [first, second] = event.changes;
  if (first === undefined) return undefined;
  const content = describeKind(event, first, second);
  if (content === undefined) return undefined;
  const timestamp = event.occurredAt ? new Date(timestampMs(event.occurredAt)).toISOString() : "";
  return { key: first.walletId, value: JSON.stringify({ ...content, timestamp }) };
}

function describeKind(
  { kind, transactionId }: WalletEvent,
  first: WalletChange,
  second: WalletChange | undefined,
): object | undefined {
  if (kind.case === "walletCreated") {
    return {
      event_type: "WALLET_CREATED",
      ...walletOf(first),
      transaction_id: transactionId,
      initial_balance: first.balance,
    };
  }
  if (kind.case === "walletFunded") {
    return {
      event_type: "WALLET_FUNDED",
      ...walletOf(first),
      transaction_id: transactionId,
      amount: first.amount,
      new_balance: first.balance,
    };
  }
  if (kind.case === "transferCompleted" && second !== undefined) {
    return {
      event_type: "TRANSFER_COMPLETED",
      from_wallet_id: first.walletId,
      to_wallet_id: second.walletId,
      from_user_id: first.userId,
      to_user_id: second.userId,
      // One transaction has both sides here; the earlier version gave each side an id.
      from_transaction_id: transactionId,
      to_transaction_id: transactionId,
      amount: second.amount,
    };
  }
  return undefined;
}

function walletOf({ walletId, userId }: WalletChange): { wallet_id: string; user_id: string } {
  return { wallet_id: walletId, user_id: userId };
}
