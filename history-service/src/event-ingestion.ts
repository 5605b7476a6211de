import { setImmediate as immediately } from "node:timers/promises";
import type { PositionTail } from "@pelikuni/runtime/position-tail";
import type { DatabaseClient, Sql } from "@pelikuni/runtime/postgres";
import type { Logger } from "pino";
import {
  type ArrivedBatch,
  type ArrivedEvent,
  arrange,
  inOrder,
  isSame,
  placeEvent,
  whole,
  withinBytes,
} from "./arrived-events.ts";
import { createEventDisputes } from "./event-disputes.ts";
import {
  IngestionStopped,
  ingestEvents,
  readHashesAt,
  readProgress,
  refusalOf,
  stopIngestion,
  throwStopped,
} from "./event-store.ts";
import type { JournalReader } from "./journal-reader.ts";
import { type ArrivedMessage, parkMessage } from "./parked-event-store.ts";
import { type PreparedRun, prepare } from "./prepared-run.ts";
import {
  keepWaiting,
  type PlacedMessage,
  readWaiting,
  removeWaiting,
} from "./waiting-event-store.ts";

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
   * Takes in messages in any order, repeated ones too; afterwards each is in history, waits for
   * those before it, or is parked. They are decoded at once, and stored after those given before.
   * When it throws, some may be: the same messages may be given again.
   *
   * @throws IngestionStopped when history contradicts the wallet-service, and ever after
   * @throws PositionInDoubt when two contradict each other, and the wallet-service cannot be asked
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
  /** Decides between events that contradict each other. */
  readonly journal: JournalReader;
  /** The wall clock, milliseconds since 1970. */
  readonly now: () => number;
  readonly logger: Logger;
}

const waitingPerReadMax = 1_000;
const earlyBytesMax = 16 * 1024 * 1024;

/** Creates the way into history. */
export function createEventIngestion(parts: EventIngestionParts): EventIngestion {
  const { writer, tail, journal, logger } = parts;
  let mark = 0n;
  let stored: Promise<void> = Promise.resolve();
  let fork: string | undefined;
  const pending: ArrivedBatch[] = [];
  let gathered: Promise<void> | undefined;
  // Of what waits, the next ones, so that they need not be read again.
  let early: readonly ArrivedEvent[] = [];
  const disputes = createEventDisputes({ store, journal, park, stop });

  async function park(message: ArrivedMessage, reason: string): Promise<void> {
    const isNew = await writer.call((sql) => parkMessage(sql, message, reason));
    if (isNew) logger.error({ ...message.origin, reason }, "A message was parked.");
  }

  async function stop(why: string): Promise<never> {
    fork = why;
    const reason = `History has forked: ${why}.`;
    logger.fatal({ reason }, "HISTORY HAS FORKED. Nothing is taken in any more.");
    await writer.call((sql) => stopIngestion(sql, reason, parts.now()));
    throw new IngestionStopped(reason);
  }

  /** @throws IngestionStopped */
  async function store<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return await writer.call(work).catch(throwStopped);
  }

  function advance(completeTo: bigint): void {
    mark = completeTo;
    tail.reached(completeTo);
  }

  /** Batches are stored one after the other: what comes behind a fork must not get in. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = stored.then(work);
    stored = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }

  /**
   * Takes in a run, as far as the database accepts it; what it does not is put aside.
   *
   * @param done gets what need not wait
   * @returns whether history can go on with what waits
   */
  async function takeIn({ events, batch }: PreparedRun, done: Set<ArrivedEvent>): Promise<boolean> {
    try {
      const outcome = await store((sql) => ingestEvents(sql, batch));
      advance(outcome.completeTo);
      if (outcome.taken) for (const event of events) done.add(event);
      return outcome.goesOn;
    } catch (error) {
      const refusal = refusalOf(error);
      const [only] = events;
      if (refusal === undefined || only === undefined) throw error;
      if (events.length === 1) {
        await disputes.reject(only, refusal);
        done.add(only);
        return true;
      }
    }
    // One of them is to blame. The first half holds it, or is in history afterwards.
    const middle = events.length >> 1;
    const first = prepare(mark, events.slice(0, middle));
    const goesOn = await takeIn(first, done);
    if (mark !== first.events.at(-1)?.event.position) return goesOn;
    return await takeIn(prepare(mark, events.slice(middle)), done);
  }

  async function takeGathered(batches: readonly ArrivedBatch[]): Promise<void> {
    // It was found before, and perhaps could not be noted.
    if (fork !== undefined) await stop(fork);
    for (const { message, reason } of batches.flatMap(({ unreadable }) => unreadable)) {
      await park(message, reason);
    }
    const arrived = inOrder(batches.flatMap(({ events }) => events));
    const known = arrived.filter(({ event }) => event.position <= mark);
    if (known.length > 0) await disputes.compare(known);
    const done = new Set(known);
    const atHand = inOrder([...early, ...arrived]);
    early = [];
    const goesOn = await takeInRuns(atHand, done);
    const left = arrived.filter((event) => !done.has(event));
    if (left.length > 0) await wait(left);
    else if (goesOn) await goOn();
    const later = atHand.filter((each) => each.event.position > mark && !done.has(each));
    early = withinBytes(later, earlyBytesMax);
  }

  /** Takes in run after run of what is at hand; returns as `takeIn`. */
  async function takeInRuns(
    atHand: readonly ArrivedEvent[],
    done: Set<ArrivedEvent>,
  ): Promise<boolean> {
    let goesOn = false;
    let run = prepare(mark, atHand);
    for (let last = run.events.at(-1); last !== undefined; last = run.events.at(-1)) {
      const behind = mark;
      const taking = takeIn(run, done);
      // While one run is stored, the next one is encoded.
      const next = prepare(last.event.position, atHand);
      goesOn = await taking;
      if (mark === behind) break;
      run = mark === last.event.position ? next : prepare(mark, atHand);
    }
    return goesOn;
  }

  /** Goes on with what waits, as far as nothing is missing before it. */
  async function goOn(): Promise<void> {
    for (;;) {
      const { messages, isCut } = await store((sql) => readWaiting(sql, mark, waitingPerReadMax));
      const { events, unreadable } = arrange(messages);
      if (unreadable.length > 0) throw new Error("What waits was readable when it came.");
      const overtaken = events.filter(({ event }) => event.position <= mark);
      if (overtaken.length > 0) {
        await disputes.compare(overtaken);
        await writer.call((sql) =>
          removeWaiting(
            sql,
            overtaken.map(({ event }) => event),
          ),
        );
      }
      const next = events.filter(({ event }) => event.position === mark + 1n);
      if (next.length > 1) await disputes.choose(next);
      else if (next.length === 1)
        await takeIn(prepare(mark, isCut ? whole(events) : events), new Set());
      else if (overtaken.length === 0) return;
    }
  }

  /** Keeps what cannot be taken in yet, and goes on if something can be now. */
  async function wait(events: readonly ArrivedEvent[]): Promise<void> {
    const messages: PlacedMessage[] = [];
    for (const { message, event } of await disputes.withoutFarAhead(events, mark)) {
      messages.push({ ...message, position: event.position });
    }
    if (messages.length === 0) return;
    const { completeTo, goesOn } = await store((sql) => keepWaiting(sql, messages));
    advance(completeTo);
    if (goesOn) await goOn();
  }

  async function replayOne(arrived: ArrivedEvent): Promise<string | undefined> {
    const { position } = arrived.event;
    if (position <= mark) {
      const stored = (await store((sql) => readHashesAt(sql, [position]))).get(position);
      const isKnown = stored !== undefined && isSame(stored, arrived.event);
      return isKnown
        ? undefined
        : `It contradicts what is known: position ${position} is another one.`;
    }
    if (position > mark + 1n) return `Position ${mark + 1n} is missing before it.`;
    try {
      const { batch } = prepare(mark, [arrived]);
      const outcome = await store((sql) => ingestEvents(sql, batch));
      advance(outcome.completeTo);
      if (outcome.goesOn) await goOn();
      return outcome.taken ? undefined : `Another event came to position ${position}.`;
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal === undefined) throw error;
      return refusal.contradicts
        ? `It contradicts what is known: ${refusal.reason}`
        : refusal.reason;
    }
  }

  return {
    async resume() {
      await inTurn(async () => {
        const { completeTo, stoppedReason } = await writer.call(readProgress);
        if (stoppedReason !== undefined) throw new IngestionStopped(stoppedReason);
        advance(completeTo);
        early = [];
        await goOn();
      });
      return mark;
    },

    ingest(messages) {
      pending.push(arrange(messages));
      // What comes while others are stored is taken in together: of several partitions, each has
      // what the others lack.
      gathered ??= inTurn(async () => {
        // Who gives at the same time is heard out first.
        await immediately();
        gathered = undefined;
        return takeGathered(pending.splice(0));
      });
      return gathered;
    },

    replay(message) {
      const event = placeEvent(message);
      if (typeof event === "string") return Promise.resolve(event);
      return inTurn(async () => {
        const { completeTo, stoppedReason } = await writer.call(readProgress);
        if (stoppedReason !== undefined) return `Ingestion has stopped: ${stoppedReason}`;
        advance(completeTo);
        return await replayOne({ message, event });
      });
    },
  };
}
