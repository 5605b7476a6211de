import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { expect, test } from "vitest";
import { jsonEventMessage } from "./json-event.ts";

const transactionId = "019ab000-0000-7000-8000-000000000001";
const alice = { walletId: "wallet-a", userId: "alice", currency: "USD", held: "0.0000" };
const bob = { walletId: "wallet-b", userId: "bob", currency: "USD", held: "0.0000" };

function jsonOf(event: MessageInitShape<typeof WalletEventSchema>): unknown {
  const occurredAt = timestampFromMs(Date.UTC(2026, 10, 25, 9, 30, 0, 123));
  const complete = create(WalletEventSchema, { transactionId, occurredAt, ...event });
  const message = jsonEventMessage(toBinary(WalletEventSchema, complete));
  return message && { key: message.key, value: JSON.parse(String(message.value)) };
}

test("a creation tells the initial balance", () => {
  const changes = [{ ...alice, balance: "0.0000", amount: "0.0000" }];
  expect(jsonOf({ changes, kind: { case: "walletCreated", value: {} } })).toEqual({
    key: "wallet-a",
    value: {
      event_type: "WALLET_CREATED",
      wallet_id: "wallet-a",
      user_id: "alice",
      transaction_id: transactionId,
      initial_balance: "0.0000",
      timestamp: "2026-11-25T09:30:00.123Z",
    },
  });
});

test("a funding tells the amount and the new balance", () => {
  const changes = [{ ...alice, balance: "150.0000", amount: "100.0000" }];
  expect(jsonOf({ changes, kind: { case: "walletFunded", value: {} } })).toEqual({
    key: "wallet-a",
    value: {
      event_type: "WALLET_FUNDED",
      wallet_id: "wallet-a",
      user_id: "alice",
      transaction_id: transactionId,
      amount: "100.0000",
      new_balance: "150.0000",
      timestamp: "2026-11-25T09:30:00.123Z",
    },
  });
});

test("a transfer tells both sides, and its key is the sender's wallet", () => {
  const changes = [
    { ...alice, balance: "74.5000", amount: "-25.5000" },
    { ...bob, balance: "25.5000", amount: "25.5000" },
  ];
  expect(jsonOf({ changes, kind: { case: "transferCompleted", value: {} } })).toEqual({
    key: "wallet-a",
    value: {
      event_type: "TRANSFER_COMPLETED",
      from_wallet_id: "wallet-a",
      to_wallet_id: "wallet-b",
      from_user_id: "alice",
      to_user_id: "bob",
      from_transaction_id: transactionId,
      to_transaction_id: transactionId,
      amount: "25.5000",
      timestamp: "2026-11-25T09:30:00.123Z",
    },
  });
});

test("a kind that the earlier version did not have is left out", () => {
  expect(jsonOf({ changes: [alice] })).toBeUndefined();
});
