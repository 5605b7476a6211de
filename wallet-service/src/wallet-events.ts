import { hash } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { WalletStatus as StatusOnWire } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { storedAmount } from "./money.ts";
import type { Decision, WalletState, WalletStatus } from "./wallet.ts";
import { encodeEvent } from "./wallet-event-bytes.ts";

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
  const bytes = encodeEvent(decision, transactionId, requestId, headOf);
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
