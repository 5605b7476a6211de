import type { LinkedEntry, StoredEntry } from "./entry-store.ts";
import type { StoredEvent } from "./event-reads.ts";
import { type DecodedEvent, decodeEvent, type HistoryEntry } from "./history-entry.ts";
import { UndecodableEvent } from "./undecodable-event.ts";

/** Something that does not fit. */
export interface Finding {
  /** The position concerned; 0 when none can be named. */
  readonly position: bigint;
  /** The wallet concerned; empty when none. */
  readonly walletId: string;
  /** The wallet's version concerned. */
  readonly version: bigint;
  /** What does not fit, in words. */
  readonly description: string;
}

/** Takes a stored event apart anew; or says why its row is not what it was. */
export function recomputeEvent(stored: StoredEvent): DecodedEvent | string {
  const decoded = decodeStored(stored.bytes);
  if (typeof decoded === "string") return decoded;
  if (!isEqual(decoded.hash, stored.hash)) {
    return "The event's bytes do not have the hash that is stored with them.";
  }
  if (decoded.transactionId !== stored.transactionId) {
    return `The event is stored as transaction ${stored.transactionId}, its bytes say another one.`;
  }
  if (decoded.occurredAtMs !== stored.occurredAt.getTime()) {
    return "The event's occurred_at is not what its bytes say.";
  }
  return decoded;
}

/** Compares an event with the entries stored for its position. */
export function compareEntries(
  event: DecodedEvent,
  position: bigint,
  stored: readonly LinkedEntry[],
): Finding[] {
  const left = new Map(stored.map((entry) => [`${entry.walletId} ${entry.version}`, entry]));
  const findings = event.entries.flatMap((expected) => {
    const { walletId, version } = expected;
    const key = `${walletId} ${version}`;
    const entry = left.get(key);
    left.delete(key);
    const description = entry
      ? (entryDifference(event, expected, entry) ??
        (entry.headBefore ? headDifference(expected, entry.headBefore) : undefined))
      : "The entry of this version is missing.";
    return description === undefined ? [] : [{ position, walletId, version, description }];
  });
  for (const { walletId, version } of left.values()) {
    const description = "The entry has no such change in its event.";
    findings.push({ position, walletId, version, description });
  }
  return findings;
}

/** How an entry's columns differ from what the event says. */
export function entryDifference(
  event: DecodedEvent,
  expected: HistoryEntry,
  entry: StoredEntry,
): string | undefined {
  const columns: [name: string, stored: string, expected: string][] = [
    ["transaction_id", entry.transactionId, event.transactionId],
    ["occurred_at", String(entry.occurredAt.getTime()), String(event.occurredAtMs)],
    ["kind", entry.kind, expected.kind],
    ["amount", entry.amount, expected.amount],
    ["currency", entry.currency, expected.currency],
    ["balance", entry.balance, expected.balance],
    ["held", entry.held, expected.held],
    ["status", entry.status, expected.status],
    ["user_id", entry.userId, expected.userId],
    ["request_id", entry.requestId, event.requestId],
    ["details", sortedJson(entry.details), sortedJson(event.details ?? null)],
    ["actor", sortedJson(entry.actor), sortedJson(event.actor ?? null)],
    ["hold_id", entry.holdId ?? "none", event.holdId ?? "none"],
    [
      "reverses_transaction_id",
      entry.reversesTransactionId ?? "none",
      event.reversesTransactionId ?? "none",
    ],
    ["head", hex(entry.head), hex(event.hash)],
  ];
  const different = columns.find(([, stored, inEvent]) => stored !== inEvent);
  if (different === undefined) return undefined;
  const [name, stored, inEvent] = different;
  return `The entry's ${name} is ${stored}, its event says ${inEvent}.`;
}

/** How the head before a change differs from what its event says. */
export function headDifference(
  { previousHead }: HistoryEntry,
  headBefore: Uint8Array,
): string | undefined {
  if (isEqual(headBefore, previousHead)) return undefined;
  return "The event's previous_head is not the head of the version before.";
}

/** Whether two byte strings are the same. */
export function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

function decodeStored(bytes: Uint8Array): DecodedEvent | string {
  try {
    return decodeEvent(bytes);
  } catch (error) {
    if (error instanceof UndecodableEvent) return error.message;
    throw error;
  }
}

/** The same text for the same content: the database keeps the keys of an object in its own order. */
export function sortedJson(json: unknown): string {
  return JSON.stringify(json, (_, value: unknown) => {
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? Object.fromEntries(Object.entries(value).toSorted()) : value;
  });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
