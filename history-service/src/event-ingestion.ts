import type { PositionTail } from "@pelikuni/runtime/position-tail";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import type { Logger } from "pino";
import postgres from "postgres";
import {
  advanceCompleteness,
  type EncodedBatch,
  encodeBatch,
  HistoryForked,
  IngestionStopped,
  ingestEvents,
  ingestFault,
  type PlacedEvent,
  positionsPerAdvanceMax,
  readProgress,
  stopIngestion,
} from "./event-store.ts";
import { decodeEvent } from "./history-entry.ts";
import { type ArrivedMessage, parkMessage } from "./parked-event-store.ts";
import { UndecodableEvent } from "./undecodable-event.ts";

/** The one way into history, whatever the source. */
export interface EventIngestion {
  /**
   * Takes up where ingestion ended.
   *
   * @returns the position that history is complete to
   * @throws IngestionStopped when it was stopped for good
   * @throws DatabaseUnavailable
   */
  resume(): Promise<bigint>;
  /**
   * Takes in messages in any order, repeated ones too; afterwards all of them are stored or parked.
   * They are decoded at once, and stored after those given before. When it throws, some may be: the
   * same messages may be given again.
   *
   * @throws IngestionStopped when a message contradicts what is known, and ever after
   * @throws DatabaseUnavailable
   */
  ingest(messages: readonly ArrivedMessage[]): Promise<void>;
  /**
   * Takes in one message that was parked.
   *
   * @returns why it cannot be taken in; undefined when it is in history now
   * @throws DatabaseUnavailable
   */
  replay(message: ArrivedMessage): Promise<string | undefined>;
}

/** What ingestion works with. */
export interface EventIngestionParts {
  /** Writes; reads have a client of their own. */
  readonly writer: DatabaseClient;
  readonly tail: PositionTail;
  /** The wall clock, milliseconds since 1970. */
  readonly now: () => number;
  readonly logger: Logger;
}

const hashLength = 32;

/** Creates the way into history. */
export function createEventIngestion(parts: EventIngestionParts): EventIngestion {
  const { writer, tail, logger } = parts;
  let mark = 0n;
  let stored: Promise<void> = Promise.resolve();
  let fork: HistoryForked | undefined;

  async function store(batch: EncodedBatch): Promise<void> {
    const completeTo = await writer
      .call((sql) => ingestEvents(sql, batch))
      .catch((error: unknown) => {
        throw ingestFault(error);
      });
    await advance(completeTo);
  }

  /** A batch that fills a gap uncovers what lies behind it, perhaps more than one call crosses. */
  async function advance(reached: bigint): Promise<bigint> {
    let completeTo = reached;
    while (completeTo - mark >= positionsPerAdvanceMax) {
      mark = completeTo;
      completeTo = await writer.call(advanceCompleteness);
    }
    mark = completeTo;
    tail.reached(completeTo);
    return completeTo;
  }

  /** Stores a batch; what the database refuses by itself is parked, and the rest goes in. */
  async function storeOrPark(batch: EncodedBatch, events: readonly ArrivedEvent[]): Promise<void> {
    try {
      await store(batch);
    } catch (error) {
      if (!blamesData(error)) throw error;
      const [only] = events;
      if (only === undefined || events.length > 1) {
        const middle = events.length >> 1;
        for (const half of [events.slice(0, middle), events.slice(middle)]) {
          await storeOrPark(encode(half), half);
        }
      } else await park(only.message, `The database refuses it: ${String(error)}`);
    }
  }

  async function park(message: ArrivedMessage, reason: string): Promise<void> {
    const isNew = await writer.call((sql) => parkMessage(sql, message, reason));
    if (isNew) logger.error({ ...message.origin, reason }, "A message was parked.");
  }

  /** Batches are stored one after the other: what comes behind a fork must not get in. */
  function inTurn(work: () => Promise<void>): Promise<void> {
    const turn = stored.then(work);
    stored = turn.catch(() => undefined);
    return turn;
  }

  async function stop(found: HistoryForked): Promise<never> {
    fork = found;
    const reason = `History has forked: ${found.message}.`;
    logger.fatal({ reason }, "HISTORY HAS FORKED. Nothing is taken in any more.");
    await writer.call((sql) => stopIngestion(sql, reason, parts.now()));
    throw new IngestionStopped(reason, { cause: found });
  }

  return {
    async resume() {
      const { completeTo, stoppedReason } = await writer.call(readProgress);
      if (stoppedReason !== undefined) throw new IngestionStopped(stoppedReason);
      return await advance(completeTo);
    },

    ingest(messages) {
      const batch = arrange(messages);
      return inTurn(async () => {
        // It was found before, and perhaps could not be noted.
        if (fork) await stop(fork);
        for (const { message, reason } of batch.unreadable) await park(message, reason);
        if (batch.fork) await stop(batch.fork);
        if (batch.events.length === 0) return;
        try {
          await storeOrPark(batch.encoded, batch.events);
        } catch (error) {
          if (!(error instanceof HistoryForked)) throw error;
          await stop(error);
        }
      });
    },

    async replay(message) {
      const event = placeEvent(message);
      if (typeof event === "string") return event;
      try {
        await store(encodeBatch([event]));
        return undefined;
      } catch (error) {
        if (error instanceof HistoryForked)
          return `It contradicts what is known: ${error.message}.`;
        if (error instanceof IngestionStopped) return `Ingestion has stopped: ${error.message}.`;
        if (blamesData(error)) return `The database refuses it: ${String(error)}`;
        throw error;
      }
    },
  };
}

interface ArrivedEvent {
  readonly message: ArrivedMessage;
  readonly event: PlacedEvent;
}

interface ArrangedBatch {
  /** Each position once. */
  readonly events: readonly ArrivedEvent[];
  readonly encoded: EncodedBatch;
  readonly unreadable: readonly { readonly message: ArrivedMessage; readonly reason: string }[];
  /** Set when two messages contradict each other. */
  readonly fork: HistoryForked | undefined;
}

/** Decodes messages, sorts them by what is to be done with them, and encodes them for that. */
function arrange(messages: readonly ArrivedMessage[]): ArrangedBatch {
  const events = new Map<bigint, ArrivedEvent>();
  const unreadable: { message: ArrivedMessage; reason: string }[] = [];
  let fork: HistoryForked | undefined;
  for (const message of messages) {
    const event = placeEvent(message);
    if (typeof event === "string") {
      unreadable.push({ message, reason: event });
      continue;
    }
    const before = events.get(event.position)?.event;
    if (before === undefined) events.set(event.position, { message, event });
    else if (!isSame(before, event)) fork ??= forkWithin(before, event);
  }
  const arrived = [...events.values()];
  return { events: arrived, encoded: encode(arrived), unreadable, fork };
}

function encode(events: readonly ArrivedEvent[]): EncodedBatch {
  return encodeBatch(events.map(({ event }) => event));
}

/** The event in its place, or why there is none. */
function placeEvent({ position, bytes, journalHash }: ArrivedMessage): PlacedEvent | string {
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

function isSame(left: PlacedEvent, right: PlacedEvent): boolean {
  return Buffer.compare(left.hash, right.hash) === 0;
}

function forkWithin({ position, hash }: PlacedEvent, other: PlacedEvent): HistoryForked {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  const hashes = `${hex(hash)} and ${hex(other.hash)}`;
  return new HistoryForked(`position ${position} arrived twice, with the hashes ${hashes}`);
}

// Classes of SQLSTATE: "data exception", and "integrity constraint violation".
const dataFault = /^2[23]/;

/** Whether the database refuses the content of an event, and not the call as such. */
function blamesData(error: unknown): boolean {
  return error instanceof postgres.PostgresError && dataFault.test(error.code);
}
