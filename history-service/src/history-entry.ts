import { hash } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type WalletChange,
  type WalletEvent,
  WalletEventSchema,
} from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { unitsOf } from "./amount-units.ts";
import { type AccountLeg, accountLegsOf, checkLegs } from "./event-legs.ts";
import { check, currencyPattern, isText, undecodable, uuidPattern } from "./undecodable-event.ts";

/** What happened to one wallet in one event. */
export interface HistoryEntry {
  readonly walletId: string;
  readonly version: bigint;
  /** The contract's name of the kind, for example "wallet_funded". */
  readonly kind: string;
  /** Amounts have four decimals. */
  readonly amount: string;
  readonly currency: string;
  readonly balance: string;
  readonly held: string;
  /** The name of the status in the contract, for example "ACTIVE". */
  readonly status: string;
  readonly userId: string;
  /** The wallet's head before the event, 32 bytes; empty for a creation. */
  readonly previousHead: Uint8Array;
}

/** What a caller wanted remembered with a change. */
export interface EntryDetails {
  readonly reference: string;
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Who asked for a change. */
export interface EntryActor {
  readonly issuer: string;
  readonly subject: string;
  readonly client: string;
}

/** An event of the journal, taken apart. */
export interface DecodedEvent {
  readonly transactionId: string;
  readonly occurredAtMs: number;
  readonly requestId: string;
  /** Undefined when the event has none. */
  readonly details: EntryDetails | undefined;
  /** Undefined when the event names nobody. */
  readonly actor: EntryActor | undefined;
  /** The hold placed, captured, released or expired; undefined when none. */
  readonly holdId: string | undefined;
  /** The transaction that this one takes back; undefined when none. */
  readonly reversesTransactionId: string | undefined;
  /** SHA-256 over the bytes: the head of each of its wallets. */
  readonly hash: Uint8Array;
  readonly bytes: Uint8Array;
  /** One for each wallet that the event touches. */
  readonly entries: readonly HistoryEntry[];
  /** One for each leg between an account outside and a wallet. */
  readonly accountLegs: readonly AccountLeg[];
}

const headLength = 32;
const userIdLengthMax = 100;
const requestIdLengthMax = 255;
const referenceLengthMax = 255;
const descriptionLengthMax = 500;
const metadataKeyLengthMax = 40;
const metadataValueLengthMax = 500;
const actorTextLengthMax = 255;
// RFC 3339 ends with the year 9999.
const occurredAtMsMax = 253_402_300_799_999;
const nanosPerMs = 1_000_000;

const kindNames = new Map(
  WalletEventSchema.fields
    .filter((field) => field.oneof?.name === "kind")
    .map(({ localName, name }): [string, string] => [localName, name]),
);

/**
 * Takes an event apart, and checks what history relies on: that it is a WalletEvent, whole, and
 * does not contradict itself.
 *
 * @throws UndecodableEvent
 */
export function decodeEvent(bytes: Uint8Array): DecodedEvent {
  const event = parse(bytes);
  check(uuidPattern.test(event.transactionId), "its transaction_id is no UUID in lower case");
  check(isText(event.requestId, 0, requestIdLengthMax), "its request_id is no such text");
  check(event.changes.length > 0, "it changes no wallet");
  const kind = kindNames.get(event.kind.case ?? "");
  if (kind === undefined) throw undecodable("it is of a kind that this release does not know");
  const entries = event.changes.map((change) => entryOf(change, kind));
  checkLegs(event);
  return {
    transactionId: event.transactionId,
    occurredAtMs: occurredAtMs(event),
    requestId: event.requestId,
    details: detailsOf(event),
    actor: actorOf(event),
    holdId: holdIdOf(event),
    reversesTransactionId: reversesTransactionIdOf(event),
    hash: hash("sha256", bytes, "buffer"),
    bytes,
    entries,
    accountLegs: accountLegsOf(event, kind),
  };
}

function parse(bytes: Uint8Array): WalletEvent {
  try {
    return fromBinary(WalletEventSchema, bytes);
  } catch (error) {
    throw undecodable(`its bytes are no WalletEvent: ${String(error)}`);
  }
}

function occurredAtMs({ occurredAt }: WalletEvent): number {
  const ms = occurredAt === undefined ? Number.NaN : timestampMs(occurredAt);
  check(ms >= 0 && ms <= occurredAtMsMax, "its occurred_at is missing or out of range");
  check((occurredAt?.nanos ?? 0) % nanosPerMs === 0, "its occurred_at is finer than milliseconds");
  return ms;
}

function detailsOf({ details }: WalletEvent): EntryDetails | undefined {
  if (details === undefined) return undefined;
  const { reference, description, metadata } = details;
  check(isText(reference, 0, referenceLengthMax), "its reference is no such text");
  check(isText(description, 0, descriptionLengthMax), "its description is no such text");
  for (const [key, value] of Object.entries(metadata)) {
    const fits = isText(key, 0, metadataKeyLengthMax) && isText(value, 0, metadataValueLengthMax);
    check(fits, "its metadata has a pair that is no such texts");
  }
  return { reference, description, metadata };
}

function actorOf({ actor }: WalletEvent): EntryActor | undefined {
  if (actor === undefined) return undefined;
  const { issuer, subject, client } = actor;
  check(isText(issuer, 1, actorTextLengthMax), "its actor has no such issuer");
  check(isText(subject, 1, actorTextLengthMax), "its actor has no such subject");
  check(isText(client, 0, actorTextLengthMax), "its actor has no such client");
  return { issuer, subject, client };
}

function holdIdOf({ kind }: WalletEvent): string | undefined {
  const ofHold =
    kind.case === "holdPlaced" ||
    kind.case === "holdReleased" ||
    (kind.case === "transactionPosted" && kind.value.hold !== undefined);
  if (!ofHold) return undefined;
  const holdId = kind.value.hold?.id ?? "";
  check(uuidPattern.test(holdId), "its hold has no UUID in lower case");
  return holdId;
}

function reversesTransactionIdOf({ kind }: WalletEvent): string | undefined {
  if (kind.case !== "transactionPosted" || kind.value.reversal === undefined) return undefined;
  const { transactionId } = kind.value.reversal;
  check(uuidPattern.test(transactionId), "it reverses a transaction that is no UUID in lower case");
  return transactionId;
}

function entryOf(change: WalletChange, kind: string): HistoryEntry {
  const { walletId, version, userId, currency, balance, held, amount, previousHead } = change;
  const status = WalletStatus[change.status];
  check(uuidPattern.test(walletId), "it changes a wallet whose id is no UUID in lower case");
  const of = `its change of wallet ${walletId}`;
  check(version >= 0n, `${of} has a negative version`);
  check(isText(userId, 1, userIdLengthMax), `${of} has no such user_id`);
  check(currencyPattern.test(currency), `${of} has no such currency`);
  const heldUnits = unitsOf(held);
  const balanceUnits = unitsOf(balance);
  check(unitsOf(amount) !== undefined, `${of} has no amount with four decimals`);
  check(heldUnits !== undefined && heldUnits >= 0n, `${of} has no held amount`);
  check(balanceUnits !== undefined && balanceUnits >= (heldUnits ?? 0n), `${of} has no balance`);
  check(change.status !== WalletStatus.UNSPECIFIED && status !== undefined, `${of} has no status`);
  const fits = previousHead.length === (version === 0n ? 0 : headLength);
  check(fits, `${of} has a previous_head that does not suit its version`);
  return {
    walletId,
    version,
    kind,
    amount,
    currency,
    balance,
    held,
    status: status ?? "",
    userId,
    previousHead,
  };
}
