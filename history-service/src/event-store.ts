import type { Sql } from "@pelikuni/runtime/postgres";
import { type ArrayElement, arrayLiteral } from "@pelikuni/runtime/postgres-array";
import postgres from "postgres";
import { amountText } from "./amount-units.ts";
import type { AccountLeg } from "./event-legs.ts";
import type { DecodedEvent, HistoryEntry } from "./history-entry.ts";

/** A decoded event in its place. */
export interface PlacedEvent extends DecodedEvent {
  readonly position: bigint;
  /** The segment's hash, 32 bytes, on its last event alone. */
  readonly journalHash: Uint8Array | undefined;
}

/** A wallet as it must be known. */
export interface KnownWallet {
  readonly walletId: string;
  readonly version: bigint;
  readonly head: Uint8Array;
  /** The balance in ten-thousandths. */
  readonly units: bigint;
  readonly currency: string;
  readonly userId: string;
}

/** Ingestion was stopped before, here or in another replica, by a fork. */
export class IngestionStopped extends Error {
  override readonly name = "IngestionStopped";
}

/** A batch of events as the database takes it: an array literal for each column. */
export interface EncodedBatch {
  readonly events: Readonly<Record<EventColumn, string>>;
  /** The bytes of all events, one behind the other: an array of them takes three times as long. */
  readonly bytes: Uint8Array;
  readonly entries: Readonly<Record<EntryColumn, string>>;
  readonly legs: Readonly<Record<LegColumn, string>>;
  readonly known: Readonly<Record<keyof KnownWallet, string>>;
}

type EventColumn =
  | "position"
  | "transactionId"
  | "occurredAt"
  | "requestId"
  | "details"
  | "actor"
  | "holdId"
  | "reversesTransactionId"
  | "length"
  | "journalHash";
type EntryColumn = "position" | Exclude<keyof HistoryEntry, "previousHead">;
type LegColumn = "position" | keyof AccountLeg;

/**
 * Encodes a batch of events.
 *
 * @param events of consecutive positions
 * @param known what must be known of their wallets
 */
export function encodeBatch(
  events: readonly PlacedEvent[],
  known: readonly KnownWallet[],
): EncodedBatch {
  const ofEvents = (value: (event: PlacedEvent) => ArrayElement): string =>
    arrayLiteral(events.map(value));
  // One pass for each column, without an object for each row between: there are many rows.
  const ofEntries = (value: (entry: HistoryEntry, event: PlacedEvent) => ArrayElement): string => {
    const elements: ArrayElement[] = [];
    for (const event of events) {
      for (const entry of event.entries) elements.push(value(entry, event));
    }
    return arrayLiteral(elements);
  };
  const ofLegs = (value: (leg: AccountLeg, event: PlacedEvent) => ArrayElement): string =>
    arrayLiteral(events.flatMap((event) => event.accountLegs.map((leg) => value(leg, event))));
  return {
    events: {
      position: ofEvents((event) => event.position),
      transactionId: ofEvents((event) => event.transactionId),
      occurredAt: ofEvents((event) => new Date(event.occurredAtMs)),
      requestId: ofEvents((event) => event.requestId),
      details: ofEvents(({ details }) => (details ? JSON.stringify(details) : null)),
      actor: ofEvents(({ actor }) => (actor ? JSON.stringify(actor) : null)),
      holdId: ofEvents((event) => event.holdId ?? null),
      reversesTransactionId: ofEvents((event) => event.reversesTransactionId ?? null),
      length: ofEvents((event) => BigInt(event.bytes.length)),
      journalHash: ofEvents((event) => event.journalHash ?? null),
    },
    bytes: Buffer.concat(events.map((event) => event.bytes)),
    entries: {
      position: ofEntries((_, event) => event.position),
      walletId: ofEntries((entry) => entry.walletId),
      version: ofEntries((entry) => entry.version),
      kind: ofEntries((entry) => entry.kind),
      amount: ofEntries((entry) => entry.amount),
      currency: ofEntries((entry) => entry.currency),
      balance: ofEntries((entry) => entry.balance),
      held: ofEntries((entry) => entry.held),
      status: ofEntries((entry) => entry.status),
      userId: ofEntries((entry) => entry.userId),
    },
    legs: {
      position: ofLegs((_, event) => event.position),
      legIndex: ofLegs((leg) => BigInt(leg.legIndex)),
      account: ofLegs((leg) => leg.account),
      currency: ofLegs((leg) => leg.currency),
      amount: ofLegs((leg) => leg.amount),
      walletId: ofLegs((leg) => leg.walletId),
      kind: ofLegs((leg) => leg.kind),
    },
    known: {
      walletId: arrayLiteral(known.map(({ walletId }) => walletId)),
      version: arrayLiteral(known.map(({ version }) => version)),
      head: arrayLiteral(known.map(({ head }) => head)),
      units: arrayLiteral(known.map(({ units }) => amountText(units))),
      currency: arrayLiteral(known.map(({ currency }) => currency)),
      userId: arrayLiteral(known.map(({ userId }) => userId)),
    },
  };
}

/** What became of a batch. */
export interface IngestOutcome {
  /** False when none of it was taken in: others were faster, or something else waits there. */
  readonly taken: boolean;
  readonly completeTo: bigint;
  /** Whether history can go on with events that wait. */
  readonly goesOn: boolean;
}

/**
 * Takes in events that come next, all or nothing.
 *
 * @throws PostgresError, of which `refusalOf` and `throwStopped` tell the meaning
 */
export async function ingestEvents(sql: Sql, batch: EncodedBatch): Promise<IngestOutcome> {
  const { events, bytes, entries, legs, known } = batch;
  const rows = await sql<IngestOutcome[]>`
    select taken, complete_to as "completeTo", next_waits as "goesOn" from ingest_events_2(
      ${events.position}, ${events.transactionId}, ${events.occurredAt}, ${events.requestId},
      ${bytes}, ${events.length}, ${events.journalHash},
      ${events.details}, ${events.actor}, ${events.holdId}, ${events.reversesTransactionId},
      ${entries.position}, ${entries.walletId}, ${entries.version}, ${entries.kind},
      ${entries.amount}, ${entries.currency}, ${entries.balance}, ${entries.held},
      ${entries.status}, ${entries.userId},
      ${legs.position}, ${legs.legIndex}, ${legs.account}, ${legs.currency}, ${legs.amount},
      ${legs.walletId}, ${legs.kind},
      ${known.walletId}, ${known.version}, ${known.head}, ${known.units}, ${known.currency},
      ${known.userId}
    )`;
  const [outcome] = rows;
  if (outcome === undefined) throw new Error("A function that returns a row returned none.");
  return outcome;
}

/** Why the database takes no such events: the event contradicts what is known, or breaks a rule. */
export interface Refusal {
  readonly reason: string;
  /** Whether it is what the journal may say, and then history is wrong. */
  readonly contradicts: boolean;
}

// Classes of SQLSTATE: "data exception", and "integrity constraint violation".
const dataFault = /^2[23]/;
const uniqueViolation = "23505";
const misfit = "PH001";

/** What the failure of `ingestEvents` says of the events; undefined when it does not blame them. */
export function refusalOf(error: unknown): Refusal | undefined {
  if (!(error instanceof postgres.PostgresError)) return undefined;
  const { code, message, detail = "" } = error;
  if (code === misfit) return { reason: `${message}.`, contradicts: true };
  if (!dataFault.test(code)) return undefined;
  const reason = `The database refuses it: ${message}. ${detail}`;
  return { reason, contradicts: code === uniqueViolation };
}

/** @throws IngestionStopped when that is what the failure means, or else the failure */
export function throwStopped(error: unknown): never {
  if (error instanceof postgres.PostgresError && error.code === "PH002") {
    throw new IngestionStopped(error.message, { cause: error });
  }
  throw error;
}

/** What is stored at a position, as far as repeats of it are compared. */
export interface StoredHashes {
  readonly position: bigint;
  readonly hash: Uint8Array;
  readonly journalHash: Uint8Array | null;
}

/** Reads the hashes of the events at some positions. */
export async function readHashesAt(
  sql: Sql,
  positions: readonly bigint[],
): Promise<Map<bigint, StoredHashes>> {
  const rows = await sql<StoredHashes[]>`
    select position, hash, journal_hash as "journalHash" from journal_events
    where position = any(${arrayLiteral(positions)}::bigint[])`;
  return new Map(rows.map((row) => [row.position, row]));
}

/** Adds the hash of a segment whose last event came without. */
export async function addJournalHash(
  sql: Sql,
  position: bigint,
  journalHash: Uint8Array,
): Promise<void> {
  await sql`
    insert into late_journal_hashes (position, journal_hash)
    values (${position}, ${Buffer.from(journalHash)}) on conflict do nothing`;
}

/** How far history has come. */
export interface Progress {
  /** Every position up to this one is there. */
  readonly completeTo: bigint;
  /** Why ingestion has stopped, if it has. */
  readonly stoppedReason: string | undefined;
}

/** Reads how far history has come. */
export async function readProgress(sql: Sql): Promise<Progress> {
  const rows = await sql<{ completeTo: bigint; stoppedReason: string | null }[]>`
    select complete_to as "completeTo", stopped_reason as "stoppedReason" from completeness`;
  const row = rows[0];
  return { completeTo: row?.completeTo ?? 0n, stoppedReason: row?.stoppedReason ?? undefined };
}

/** Reads the id that tells this history from every other one. */
export async function readHistoryId(sql: Sql): Promise<string> {
  const rows = await sql<{ historyId: string }[]>`
    select history_id as "historyId" from completeness`;
  return rows[0]?.historyId ?? "";
}

/** Stops ingestion in every replica until an operator lifts it; the first reason stays. */
export async function stopIngestion(sql: Sql, reason: string, atMs: number): Promise<void> {
  await sql`select stop_ingestion(${reason}, ${new Date(atMs)})`;
}

/** Positions from the first to the last one, both included. */
export interface PositionRange {
  readonly first: bigint;
  readonly last: bigint;
}

/** When the event at a position occurred. */
export async function readOccurredAt(sql: Sql, position: bigint): Promise<Date | undefined> {
  const rows = await sql<{ occurredAt: Date }[]>`
    select occurred_at as "occurredAt" from events where position = ${position}`;
  return rows[0]?.occurredAt;
}
