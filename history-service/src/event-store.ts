import type { Sql } from "@pelikuni/runtime/postgres";
import { type ArrayElement, arrayLiteral } from "@pelikuni/runtime/postgres-array";
import postgres from "postgres";
import type { AccountLeg } from "./event-legs.ts";
import type { DecodedEvent, HistoryEntry } from "./history-entry.ts";

/** A decoded event in its place. */
export interface PlacedEvent extends DecodedEvent {
  readonly position: bigint;
  /** The segment's hash, 32 bytes, on its last event alone. */
  readonly journalHash: Uint8Array | undefined;
}

/** What is known already differs from what arrived: two histories that must not be merged. */
export class HistoryForked extends Error {
  override readonly name = "HistoryForked";
}

/** Ingestion was stopped before, here or in another replica, by a fork. */
export class IngestionStopped extends Error {
  override readonly name = "IngestionStopped";
}

/** How many positions one call may look at while it moves the mark of completeness. */
export const positionsPerAdvanceMax = 50_000n;

/** A batch of events as the database takes it: an array literal for each column. */
export interface EncodedBatch {
  readonly events: Readonly<Record<EventColumn, string>>;
  /** The bytes of all events, one behind the other: an array of them takes three times as long. */
  readonly bytes: Uint8Array;
  readonly entries: Readonly<Record<EntryColumn, string>>;
  readonly legs: Readonly<Record<LegColumn, string>>;
}

type EventColumn =
  | "position"
  | "transactionId"
  | "occurredAt"
  | "requestId"
  | "details"
  | "holdId"
  | "reversesTransactionId"
  | "length"
  | "journalHash";
type EntryColumn = "position" | Exclude<keyof HistoryEntry, "previousHead">;
type LegColumn = "position" | keyof AccountLeg;

/**
 * Encodes a batch of events.
 *
 * @param events each position once
 */
export function encodeBatch(events: readonly PlacedEvent[]): EncodedBatch {
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
  };
}

/**
 * Takes in a batch of events, all or nothing; those that are there already change nothing.
 *
 * @returns the position that history is complete to
 * @throws PostgresError, of which `ingestFault` tells the meaning
 */
export async function ingestEvents(sql: Sql, batch: EncodedBatch): Promise<bigint> {
  const { events, bytes, entries, legs } = batch;
  const rows = await sql<{ completeTo: bigint }[]>`
    select ingest_events(
      ${events.position}, ${events.transactionId}, ${events.occurredAt}, ${events.requestId},
      ${bytes}, ${events.length}, ${events.journalHash},
      ${events.details}, ${events.holdId}, ${events.reversesTransactionId},
      ${entries.position}, ${entries.walletId}, ${entries.version}, ${entries.kind},
      ${entries.amount}, ${entries.currency}, ${entries.balance}, ${entries.held},
      ${entries.status}, ${entries.userId},
      ${legs.position}, ${legs.legIndex}, ${legs.account}, ${legs.currency}, ${legs.amount},
      ${legs.walletId}, ${legs.kind}, ${positionsPerAdvanceMax}
    ) as "completeTo"`;
  return rows[0]?.completeTo ?? 0n;
}

/** What the failure of `ingestEvents` means; any other failure stays as it is. */
export function ingestFault(error: unknown): unknown {
  if (!(error instanceof postgres.PostgresError)) return error;
  if (error.code === "PH001") return new HistoryForked(error.message, { cause: error });
  if (error.code === "PH002") return new IngestionStopped(error.message, { cause: error });
  return error;
}

/** Moves the mark of completeness on, as far as one call may; returns it. */
export async function advanceCompleteness(sql: Sql): Promise<bigint> {
  const rows = await sql<{ completeTo: bigint }[]>`
    select advance_completeness(${positionsPerAdvanceMax}) as "completeTo"`;
  return rows[0]?.completeTo ?? 0n;
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
  await sql`
    update completeness set stopped_reason = ${reason}, stopped_at = ${new Date(atMs)}
    where stopped_reason is null`;
}

/** Positions from the first to the last one, both included. */
export interface PositionRange {
  readonly first: bigint;
  readonly last: bigint;
}

// So many stored events are looked at: behind a gap there may be any number.
const eventsLookedThroughMax = 100_000;

/**
 * Finds positions that are missing between what is there, lowest first, as far as they lie among the
 * next 100,000 events.
 */
export async function findMissing(
  sql: Sql,
  completeTo: bigint,
  rangesMax: number,
): Promise<PositionRange[]> {
  return await sql<PositionRange[]>`
    select n.before + 1 as first, n.position - 1 as last
    from (
      select e.position,
        lag(e.position, 1, ${completeTo}::bigint) over (order by e.position) as before
      from (
        select i.position from events i where i.position > ${completeTo}
        order by i.position limit ${eventsLookedThroughMax}
      ) e
    ) n
    where n.position > n.before + 1 order by n.position limit ${rangesMax}`;
}

/** When an event occurred, and when it was stored. */
export interface EventTimes {
  readonly occurredAt: Date;
  readonly storedAt: Date;
}

/** Reads the times of the event at a position. */
export async function readEventTimes(sql: Sql, position: bigint): Promise<EventTimes | undefined> {
  const rows = await sql<EventTimes[]>`
    select occurred_at as "occurredAt", stored_at as "storedAt" from events
    where position = ${position}`;
  return rows[0];
}

/** The highest position that is there; 0 while there is none. */
export async function readHighestPosition(sql: Sql): Promise<bigint> {
  const rows = await sql<{ position: bigint | null }[]>`
    select max(position) as position from events`;
  return rows[0]?.position ?? 0n;
}
