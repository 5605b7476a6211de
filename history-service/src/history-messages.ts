import { fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type {
  AccountEntrySchema,
  EntrySchema,
  GetStatementResponseSchema,
  ParkedEventSchema,
  ReconcileResponseSchema,
  VerifyWalletResponseSchema,
} from "@pelikuni/gen/history/v1/history_service_pb";
import { type WalletEvent, WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { type WalletStatus, WalletStatusSchema } from "@pelikuni/gen/wallet/v1/wallet_pb";
import type { StoredAccountEntry } from "./account-store.ts";
import { amountText, storedUnits } from "./amount-units.ts";
import type { StoredEntry } from "./entry-store.ts";
import type { StoredEvent } from "./event-reads.ts";
import type { JournalProgress } from "./journal-verification.ts";
import type { WholeTransaction } from "./owner-view.ts";
import type { ParkedEvent } from "./parked-event-store.ts";
import type { Difference, ReconciliationSummary } from "./reconciliation.ts";
import type { StatementPart, StatementPeriod } from "./statement.ts";
import type { WalletVerification } from "./wallet-verification.ts";

const statusNumbers = new Map<string, WalletStatus>(
  WalletStatusSchema.values.map(({ localName, number }) => [localName, number]),
);

/** An entry as the contract writes it. */
export function entryMessage(entry: StoredEntry): MessageInitShape<typeof EntrySchema> {
  const { occurredAt, status, details, actor, holdId, reversesTransactionId, ...same } = entry;
  return {
    ...same,
    ...(details ? { details } : {}),
    ...(actor ? { actor } : {}),
    holdId: holdId ?? "",
    reversesTransactionId: reversesTransactionId ?? "",
    occurredAt: timestampFromDate(occurredAt),
    available: amountText(storedUnits(entry.balance) - storedUnits(entry.held)),
    status: statusNumbers.get(status) ?? 0,
  };
}

/** A leg of an account as the contract writes it. */
export function accountEntryMessage({
  occurredAt,
  details,
  ...same
}: StoredAccountEntry): MessageInitShape<typeof AccountEntrySchema> {
  return {
    ...same,
    occurredAt: timestampFromDate(occurredAt),
    ...(details ? { details } : {}),
  };
}

/** A transaction with what took it back, as the contract writes it. */
export function transactionMessage(
  { position, bytes }: StoredEvent,
  reversals: readonly StoredEvent[],
): WholeTransaction & { readonly eventBytes: Uint8Array<ArrayBuffer> } {
  return {
    position,
    event: eventMessage({ bytes }),
    eventBytes: Uint8Array.from(bytes),
    reversedBy: reversals.map(reversedByMessage),
  };
}

/** An event, decoded. */
export function eventMessage({ bytes }: Pick<StoredEvent, "bytes">): WalletEvent {
  return fromBinary(WalletEventSchema, bytes);
}

function reversedByMessage({
  transactionId,
  position,
  bytes,
}: StoredEvent): WholeTransaction["reversedBy"][number] {
  const { kind } = eventMessage({ bytes });
  const legs = kind.case === "transactionPosted" ? (kind.value.reversal?.legs ?? []) : [];
  return { transactionId, position, legs };
}

/**
 * A part of a statement as the contract writes it.
 *
 * @param show how its reader sees an entry
 */
export function statementMessage(
  part: StatementPart,
  { from, to, completeTo }: StatementPeriod,
  show: (entry: StoredEntry) => MessageInitShape<typeof EntrySchema>,
): MessageInitShape<typeof GetStatementResponseSchema> {
  if ("entry" in part) return { part: { case: "entry", value: show(part.entry) } };
  if ("opening" in part) {
    const { walletId, userId, currency } = part.opening.wallet;
    const value = {
      walletId,
      userId,
      currency,
      from: timestampFromDate(from),
      to: timestampFromDate(to),
      openingBalance: amountText(part.opening.balance),
    };
    return { part: { case: "opening", value } };
  }
  const { balance, entryCount, totalIn, totalOut } = part.closing;
  const value = {
    closingBalance: amountText(balance),
    entryCount,
    totalIn: amountText(totalIn),
    totalOut: amountText(totalOut),
    completeTo,
  };
  return { part: { case: "closing", value } };
}

/** What became of a wallet's verification, as the contract writes it. */
export function verificationMessage({
  verifiedVersions,
  head = new Uint8Array(),
  finding,
}: WalletVerification): MessageInitShape<typeof VerifyWalletResponseSchema> {
  const valid = finding === undefined;
  return { valid, verifiedVersions, head, ...(finding ? { finding } : {}) };
}

/** How far a verification of the journal has come, as the contract writes it. */
export function progressMessage({
  verifiedTo,
  journalHash = new Uint8Array(),
  hashPosition,
}: Omit<JournalProgress, "findings">): {
  verifiedTo: bigint;
  journalHash: Uint8Array<ArrayBuffer>;
  hashPosition: bigint;
  uncoveredCount: bigint;
} {
  const uncoveredCount = verifiedTo - hashPosition;
  return { verifiedTo, journalHash: Uint8Array.from(journalHash), hashPosition, uncoveredCount };
}

/** A parked message as the contract writes it. */
export function parkedMessage(parked: ParkedEvent): MessageInitShape<typeof ParkedEventSchema> {
  const { id, topic, partition, offset, reason, value, parkedAt, replayedAt } = parked;
  return {
    id,
    topic,
    partition,
    offset,
    reason,
    parkedAt: timestampFromDate(parkedAt),
    value,
    ...(replayedAt ? { replayedAt: timestampFromDate(replayedAt) } : {}),
  };
}

/** A part of a reconciliation as the contract writes it. */
export function reconcileMessage(
  part: Difference | ReconciliationSummary,
): MessageInitShape<typeof ReconcileResponseSchema> {
  return "walletCount" in part
    ? { result: { case: "summary", value: { ...part, currencySums: [...part.currencySums] } } }
    : { result: { case: "difference", value: part } };
}
