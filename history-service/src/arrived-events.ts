import { storedUnits } from "./amount-units.ts";
import type { KnownWallet, PlacedEvent } from "./event-store.ts";
import { decodeEvent, type HistoryEntry } from "./history-entry.ts";
import type { ArrivedMessage } from "./parked-event-store.ts";
import { UndecodableEvent } from "./undecodable-event.ts";

/** A message that is an event, with the event. */
export interface ArrivedEvent {
  readonly message: ArrivedMessage;
  readonly event: PlacedEvent;
}

/** What has arrived, sorted by what is to be done with it. */
export interface ArrivedBatch {
  readonly events: readonly ArrivedEvent[];
  readonly unreadable: readonly { readonly message: ArrivedMessage; readonly reason: string }[];
}

/** Events of consecutive positions that follow from each other. */
export interface EventRun {
  readonly events: readonly ArrivedEvent[];
  /** What must be known of the wallets that they do not create. */
  readonly known: readonly KnownWallet[];
}

const hashLength = 32;

/** Decodes messages. */
export function arrange(messages: readonly ArrivedMessage[]): ArrivedBatch {
  const events: ArrivedEvent[] = [];
  const unreadable: { message: ArrivedMessage; reason: string }[] = [];
  for (const message of messages) {
    const event = placeEvent(message);
    if (typeof event === "string") unreadable.push({ message, reason: event });
    else events.push({ message, event });
  }
  return { events: inOrder(events), unreadable };
}

/** The event in its place, or why there is none. */
export function placeEvent({ position, bytes, journalHash }: ArrivedMessage): PlacedEvent | string {
  if (position === undefined) return "It names no position in the journal.";
  if (journalHash !== undefined && journalHash.length !== hashLength) {
    return "Its journal_hash is no SHA-256 hash.";
  }
  try {
    return { ...decodeEvent(bytes), position, journalHash };
  } catch (error) {
    // One message that nobody has thought of must not hold up all others.
    return error instanceof UndecodableEvent ? error.message : `It cannot be read: ${error}`;
  }
}

/**
 * The events behind a position, as far as they are there, are unambiguous, and each follows from
 * those before it.
 *
 * @param events in the order of positions
 */
export function findRun(
  behind: bigint,
  events: readonly ArrivedEvent[],
  lengthMax: number,
): EventRun {
  const run: ArrivedEvent[] = [];
  const known: KnownWallet[] = [];
  const wallets = new Map<string, KnownWallet>();
  const begin = events.findIndex(({ event }) => event.position > behind);
  for (let index = begin; index >= 0 && run.length < lengthMax; index += 1) {
    const arrived = events[index];
    if (arrived?.event.position !== behind + BigInt(run.length) + 1n) break;
    if (events[index + 1]?.event.position === arrived.event.position) break;
    if (!follows(arrived.event, wallets, known)) break;
    run.push(arrived);
  }
  return { events: run, known };
}

/** Notes what an event says of its wallets; false when that does not follow from what is noted. */
function follows(
  { entries, hash }: PlacedEvent,
  wallets: Map<string, KnownWallet>,
  known: KnownWallet[],
): boolean {
  const befores = entries.map((entry) => ({ entry, before: walletBefore(entry) }));
  const fits = befores.every(({ entry, before }) => {
    const noted = wallets.get(entry.walletId);
    return noted === undefined || (before !== undefined && isSameWallet(noted, before));
  });
  if (!fits) return false;
  for (const { entry, before } of befores) {
    const { walletId, version, currency, userId } = entry;
    if (before !== undefined && !wallets.has(walletId)) known.push(before);
    const units = storedUnits(entry.balance);
    wallets.set(walletId, { walletId, version, head: hash, units, currency, userId });
  }
  return true;
}

/** What a wallet must have been before a change; undefined when the change creates it. */
function walletBefore(entry: HistoryEntry): KnownWallet | undefined {
  const { walletId, version, currency, userId, previousHead: head } = entry;
  if (version === 0n) return undefined;
  const units = storedUnits(entry.balance) - storedUnits(entry.amount);
  return { walletId, version: version - 1n, head, units, currency, userId };
}

function isSameWallet(left: KnownWallet, right: KnownWallet): boolean {
  return (
    left.version === right.version &&
    left.units === right.units &&
    left.currency === right.currency &&
    left.userId === right.userId &&
    isEqual(left.head, right.head)
  );
}

/** What is compared of an event and its place in the chain of segments. */
export interface EventHashes {
  readonly hash: Uint8Array;
  readonly journalHash: Uint8Array | null | undefined;
}

/** Whether two messages say the same of their position. */
export function isSame(left: EventHashes, right: EventHashes): boolean {
  return isEqual(left.hash, right.hash) && isEqual(left.journalHash, right.journalHash);
}

function isEqual(
  left: Uint8Array | null | undefined,
  right: Uint8Array | null | undefined,
): boolean {
  return Buffer.compare(left ?? new Uint8Array(), right ?? new Uint8Array()) === 0;
}

/**
 * Events in the order of positions, none twice; of the same ones, the one that the wallet-service has
 * confirmed.
 */
export function inOrder(events: readonly ArrivedEvent[]): readonly ArrivedEvent[] {
  return events.toSorted(byPosition).filter(isFirstOfItsKind);
}

/** All but those of the last position, which may have others that were cut off; at least one. */
export function whole(events: readonly ArrivedEvent[]): readonly ArrivedEvent[] {
  const last = events.at(-1)?.event.position;
  const others = events.filter(({ event }) => event.position !== last);
  return others.length > 0 ? others : events;
}

/** The first of them, as many as have so many bytes. */
export function withinBytes(
  events: readonly ArrivedEvent[],
  bytesMax: number,
): readonly ArrivedEvent[] {
  let bytes = 0;
  const end = events.findIndex(({ event }) => {
    bytes += event.bytes.length;
    return bytes > bytesMax;
  });
  return end < 0 ? events : events.slice(0, end);
}

function byPosition(left: ArrivedEvent, right: ArrivedEvent): number {
  const apart = left.event.position - right.event.position;
  if (apart !== 0n) return apart < 0n ? -1 : 1;
  return Number(right.message.confirmed) - Number(left.message.confirmed);
}

function isFirstOfItsKind(
  { event }: ArrivedEvent,
  index: number,
  events: readonly ArrivedEvent[],
): boolean {
  for (let before = index - 1; before >= 0; before -= 1) {
    const other = events[before]?.event;
    if (other?.position !== event.position) return true;
    if (isSame(other, event)) return false;
  }
  return true;
}
