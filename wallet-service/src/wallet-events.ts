import { hash } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Leg as LegOnWire,
  type Side as SideOnWire,
  type WalletEvent,
  WalletEventSchema,
} from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import type { Hold as HoldOnWire } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { type Amount, storedAmount } from "./money.ts";
import type {
  Decision,
  HoldState,
  Metadata,
  PostedTransaction,
  PricedLeg,
  Reversal,
  Side,
  WalletState,
} from "./wallet.ts";
import {
  type CallerNotes,
  encodeEvent,
  holdStatusOnWire,
  statusOnWire,
} from "./wallet-event-bytes.ts";

/** A wallet as its latest event left it. */
export interface RecordedWallet extends WalletState {
  /** SHA-256 over the encoded bytes of the wallet's latest event, 32 bytes. */
  readonly head: Uint8Array;
}

/** A hold with the version that its wallet had when the hold changed last. */
export interface RecordedHold extends HoldState {
  readonly walletVersion: bigint;
}

/** What an event says beside its wallets, where it says it. */
export interface EventItems {
  readonly hold?: HoldState;
  readonly reversal?: Reversal;
  /** Everything that is kept beside the wallet, after the event. */
  readonly settings?: WalletSettings;
}

/** Everything that is kept beside a wallet. */
export interface WalletSettings {
  readonly metadata: Metadata;
  readonly transferLimit: Amount | undefined;
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
 * @param headOf the current head of a wallet that the decision changes
 */
export function recordEvent(
  decision: Decision,
  transactionId: string,
  notes: CallerNotes,
  headOf: (walletId: string) => Uint8Array,
): RecordedEvent {
  const bytes = encodeEvent(decision, transactionId, notes, headOf);
  const head = hash("sha256", bytes, "buffer");
  const wallets = decision.changes.map(({ after }) => ({ ...after, head }));
  return { transactionId, occurredAtMs: decision.occurredAtMs, bytes, head, wallets };
}

/** What the event of a decision says beside its wallets. */
export function itemsOfDecision(decision: Decision): EventItems {
  const { hold, reversal, metadata, changes } = decision;
  const transferLimit = changes[0]?.after.transferLimit;
  return {
    ...(hold && { hold }),
    ...(reversal && { reversal }),
    ...(metadata && { settings: { metadata, transferLimit } }),
  };
}

/** What a stored event says; when a wallet was created, and its limit, are not in it. */
export interface ReadEvent {
  readonly transactionId: string;
  readonly occurredAtMs: number;
  readonly wallets: readonly Omit<WalletState, "createTimeMs" | "transferLimit">[];
  readonly items: EventItems;
}

/** Reads a stored event back, to answer a repeated request as it was answered first. */
export function readEvent(bytes: Uint8Array): ReadEvent {
  const event = fromBinary(WalletEventSchema, bytes);
  const occurredAtMs = msOf(event.occurredAt);
  const wallets = event.changes.map((change) => ({
    id: change.walletId,
    userId: change.userId,
    currency: change.currency,
    balance: storedAmount(change.balance),
    held: storedAmount(change.held),
    status: fromWire(statusOnWire, change.status),
    version: change.version,
    updateTimeMs: occurredAtMs,
  }));
  return { transactionId: event.transactionId, occurredAtMs, wallets, items: itemsOf(event) };
}

/** Reads from a stored event what a reversal of it would take back. */
export function readPostedTransaction(bytes: Uint8Array): PostedTransaction {
  const { legs, kind } = fromBinary(WalletEventSchema, bytes);
  const isReversal = kind.case === "transactionPosted" && kind.value.reversal !== undefined;
  return { legs: legs.map(readLeg), isReversal };
}

function itemsOf({ kind }: WalletEvent): EventItems {
  if (kind.case === "holdPlaced" || kind.case === "holdReleased") {
    return kind.value.hold ? { hold: readHold(kind.value.hold) } : {};
  }
  if (kind.case === "transactionPosted") {
    const { hold, reversal } = kind.value;
    return {
      ...(hold && { hold: readHold(hold) }),
      ...(reversal && { reversal: readReversal(reversal) }),
    };
  }
  if (kind.case !== "walletUpdated") return {};
  const { metadata = {}, limits } = kind.value.settings ?? {};
  const limit = limits?.singleTransferMax ?? "";
  return { settings: { metadata, transferLimit: limit === "" ? undefined : storedAmount(limit) } };
}

function readHold(hold: HoldOnWire): HoldState {
  return {
    id: hold.id,
    walletId: hold.walletId,
    currency: hold.currency,
    amount: storedAmount(hold.amount),
    captured: storedAmount(hold.captured),
    status: fromWire(holdStatusOnWire, hold.status),
    createTimeMs: msOf(hold.createTime),
    expireTimeMs: msOf(hold.expireTime),
  };
}

function readReversal(reversal: {
  readonly transactionId: string;
  readonly legs: readonly { readonly index: number; readonly amount: string }[];
}): Reversal {
  const { transactionId, legs } = reversal;
  return {
    transactionId,
    legs: legs.map(({ index, amount }) => ({ index, amount: storedAmount(amount) })),
  };
}

function readLeg({ from, to, amount, currency }: LegOnWire): PricedLeg {
  return { from: readSide(from), to: readSide(to), amount: storedAmount(amount), currency };
}

function readSide(side: SideOnWire | undefined): Side {
  if (side?.side.case === "walletId") return { walletId: side.side.value };
  if (side?.side.case === "account") return { account: side.side.value };
  throw new Error("A stored event has a leg without an end.");
}

function msOf(time: Timestamp | undefined): number {
  return time ? timestampMs(time) : 0;
}

/** The name behind a number on the wire. */
function fromWire<Name extends string>(
  onWire: Readonly<Record<Name, number>>,
  value: number,
): Name {
  for (const name in onWire) if (onWire[name] === value) return name;
  throw new Error(`A stored event has the unknown status ${value}.`);
}
