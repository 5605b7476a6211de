import { hash } from "node:crypto";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type LegSchema,
  type SideSchema,
  type WalletChangeSchema,
  WalletEventSchema,
} from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { WalletStatus as StatusOnWire } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { formatAmount, storedAmount } from "./money.ts";
import type { Decision, Leg, Side, WalletState, WalletStatus } from "./wallet.ts";

/** A wallet as its latest event left it. */
export interface RecordedWallet extends WalletState {
  /** SHA-256 over the encoded bytes of the wallet's latest event, 32 bytes. */
  readonly head: Uint8Array;
}

/** A decision as it goes into the journal. */
export interface RecordedEvent {
  /** UUIDv7 in lower case. */
  readonly transactionId: string;
  readonly occurredAtMs: number;
  /** The encoded WalletEvent: hashed, stored and sent on as they are. */
  readonly bytes: Uint8Array;
  /** SHA-256 over the bytes: the new head of every wallet in the event. */
  readonly head: Uint8Array;
  /** The wallets after the event, in the order of its changes. */
  readonly wallets: readonly RecordedWallet[];
}

/** How the contract spells a wallet's status. */
export const statusOnWire: Readonly<Record<WalletStatus, StatusOnWire>> = {
  ACTIVE: StatusOnWire.ACTIVE,
};

/**
 * Makes the event of a decision.
 *
 * @param requestId the caller's idempotency key; empty for none
 * @param headOf the current head of a wallet that the decision changes
 */
export function recordEvent(
  decision: Decision,
  transactionId: string,
  requestId: string,
  headOf: (walletId: string) => Uint8Array,
): RecordedEvent {
  const event = create(WalletEventSchema, {
    transactionId,
    occurredAt: timestampFromMs(decision.occurredAtMs),
    requestId,
    legs: decision.legs.map(legOnWire),
    changes: decision.changes.map(({ before, after, amount }) =>
      changeOnWire(after, formatAmount(amount), before ? headOf(before.id) : new Uint8Array()),
    ),
    kind: { case: decision.kind, value: {} },
  });
  const bytes = toBinary(WalletEventSchema, event);
  const head = hash("sha256", bytes, "buffer");
  const wallets = decision.changes.map(({ after }) => ({ ...after, head }));
  return { transactionId, occurredAtMs: decision.occurredAtMs, bytes, head, wallets };
}

/** What a stored event says of its wallets; when they were created is not in it. */
export interface ReadEvent {
  readonly transactionId: string;
  readonly occurredAtMs: number;
  readonly wallets: readonly Omit<WalletState, "createTimeMs">[];
}

/** Reads a stored event back, to answer a repeated request as it was answered first. */
export function readEvent(bytes: Uint8Array): ReadEvent {
  const event = fromBinary(WalletEventSchema, bytes);
  const occurredAtMs = event.occurredAt ? timestampMs(event.occurredAt) : 0;
  const wallets = event.changes.map((change) => ({
    id: change.walletId,
    userId: change.userId,
    currency: change.currency,
    balance: storedAmount(change.balance),
    held: storedAmount(change.held),
    status: statusFromWire(change.status),
    version: change.version,
    updateTimeMs: occurredAtMs,
  }));
  return { transactionId: event.transactionId, occurredAtMs, wallets };
}

function statusFromWire(status: StatusOnWire): WalletStatus {
  if (status === StatusOnWire.ACTIVE) return "ACTIVE";
  throw new Error(`A stored event has the unknown wallet status ${status}.`);
}

function legOnWire(leg: Leg & { readonly currency: string }): MessageInitShape<typeof LegSchema> {
  return {
    from: sideOnWire(leg.from),
    to: sideOnWire(leg.to),
    amount: formatAmount(leg.amount),
    currency: leg.currency,
  };
}

function sideOnWire(side: Side): MessageInitShape<typeof SideSchema> {
  return "walletId" in side
    ? { side: { case: "walletId", value: side.walletId } }
    : { side: { case: "account", value: side.account } };
}

function changeOnWire(
  after: WalletState,
  amount: string,
  previousHead: Uint8Array,
): MessageInitShape<typeof WalletChangeSchema> {
  return {
    walletId: after.id,
    userId: after.userId,
    currency: after.currency,
    version: after.version,
    balance: formatAmount(after.balance),
    held: formatAmount(after.held),
    status: statusOnWire[after.status],
    amount,
    previousHead,
  };
}
