import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { expect, test } from "vitest";
import { outlineEvent } from "./event-outline.ts";

const occurredAtMs = 1_764_028_800_123;
const kinds = {
  walletCreated: "pelikuni.wallet.v1.WalletCreated",
  walletFunded: "pelikuni.wallet.v1.WalletFunded",
  transferCompleted: "pelikuni.wallet.v1.TransferCompleted",
};

test.for(["walletCreated", "walletFunded", "transferCompleted"] as const)(
  "the outline of %s is what decoding all of it tells",
  (kind) => {
    const event = create(WalletEventSchema, {
      transactionId: "019ab000-0000-7000-8000-000000000001",
      occurredAt: timestampFromMs(occurredAtMs),
      requestId: "order-4711 – ü",
      legs: [{ from: { side: { case: "account", value: "external" } }, amount: "1.0000" }],
      changes: [
        { walletId: "first", userId: "alice", version: 300n },
        { walletId: "second", userId: "bob" },
      ],
      kind: { case: kind, value: {} },
    });
    expect(outlineEvent(toBinary(WalletEventSchema, event))).toEqual({
      transactionId: event.transactionId,
      occurredAtMs,
      firstWalletId: "first",
      kind: kinds[kind],
    });
  },
);

test("a kind of a newer version is outlined as an event of no known kind", () => {
  const event = create(WalletEventSchema, { transactionId: "a", changes: [{ walletId: "w" }] });
  const unknownKind = [0xd2, 0x0f, 0];
  const bytes = Buffer.concat([toBinary(WalletEventSchema, event), Buffer.from(unknownKind)]);
  expect(outlineEvent(bytes)).toEqual({
    transactionId: "a",
    occurredAtMs: 0,
    firstWalletId: "w",
    kind: "pelikuni.wallet.v1.WalletEvent",
  });
});
