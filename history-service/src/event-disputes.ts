import type { Sql } from "@pelikuni/runtime/postgres";
import { type ArrivedEvent, type EventHashes, isSame, placeEvent } from "./arrived-events.ts";
import { addJournalHash, type Refusal, readHashesAt, type StoredHashes } from "./event-store.ts";
import type { JournalReader } from "./journal-reader.ts";
import type { ArrivedMessage } from "./parked-event-store.ts";
import { keepWaiting, removeWaiting } from "./waiting-event-store.ts";

/**
 * Who is right when events contradict each other: the wallet-service. What it does not confirm is
 * parked; when it contradicts what history has answered with, ingestion stops.
 */
export interface EventDisputes {
  /**
   * Compares events with what is stored at their positions.
   *
   * @throws IngestionStopped
   */
  compare(arrived: readonly ArrivedEvent[]): Promise<void>;
  /**
   * Leaves one of several that wait for one position.
   *
   * @throws PositionInDoubt when the wallet-service cannot be asked
   * @throws IngestionStopped
   */
  choose(candidates: readonly ArrivedEvent[]): Promise<void>;
  /**
   * Puts aside what cannot be taken in at its position.
   *
   * @throws IngestionStopped when it is the truth
   */
  reject(arrived: ArrivedEvent, refusal: Refusal): Promise<void>;
  /**
   * Parks what claims a position that the journal has not reached: it could wait for ever.
   *
   * @param mark the position that history is complete to
   * @returns the other events
   */
  withoutFarAhead(events: readonly ArrivedEvent[], mark: bigint): Promise<readonly ArrivedEvent[]>;
}

/** Several events claim one position, and the wallet-service cannot be asked. */
export class PositionInDoubt extends Error {
  override readonly name = "PositionInDoubt";
}

/** What disputes are settled with. */
export interface EventDisputesParts {
  /** Runs work on history's database. */
  readonly store: <T>(work: (sql: Sql) => Promise<T>) => Promise<T>;
  readonly journal: JournalReader;
  readonly park: (message: ArrivedMessage, reason: string) => Promise<void>;
  readonly stop: (why: string) => Promise<never>;
}

// Farther ahead than any partition that is read before the others.
const positionsAheadMax = 1_000_000n;

/** Creates the judge. */
export function createEventDisputes(parts: EventDisputesParts): EventDisputes {
  const { store, journal, park, stop } = parts;

  async function askWalletService(position: bigint): Promise<ArrivedEvent | undefined> {
    const message = await journal.readEvent(position);
    if (message === undefined) return undefined;
    const event = placeEvent(message);
    return typeof event === "string" ? undefined : { message, event };
  }

  async function dropWaiting({ event }: ArrivedEvent): Promise<void> {
    await store((sql) => removeWaiting(sql, [event]));
  }

  async function compareOne(arrived: ArrivedEvent, stored: StoredHashes): Promise<void> {
    const { position } = stored;
    if (isSame(stored, arrived.event) || saysLess(arrived, stored)) return;
    const story =
      `position ${position} arrived with ${describe(arrived.event)}, ` +
      `and is known with ${describe(stored)}`;
    const truth = arrived.message.confirmed ? arrived : await askWalletService(position);
    if (truth === undefined) {
      return await stop(`${story}; the wallet-service could not be asked which is true`);
    }
    const { journalHash } = truth.event;
    const isLate = stored.journalHash === null && journalHash !== undefined;
    if (!isSame(isLate ? { ...stored, journalHash } : stored, truth.event)) {
      return await stop(`${story}; the wallet-service has ${describe(truth.event)}`);
    }
    if (isLate) await store((sql) => addJournalHash(sql, position, journalHash));
    if (isSame(truth.event, arrived.event)) return;
    await park(arrived.message, `The wallet-service does not confirm it: ${story}.`);
  }

  return {
    async compare(arrived) {
      const positions = arrived.map(({ event }) => event.position);
      const stored = await store((sql) => readHashesAt(sql, positions));
      for (const each of arrived) {
        const known = stored.get(each.event.position);
        // What was removed from history behind its back is for its verification to find.
        if (known !== undefined) await compareOne(each, known);
      }
    },

    async choose(candidates) {
      const [first] = candidates;
      if (first === undefined) return;
      const { position } = first.event;
      const story = `position ${position} arrived with ${candidates
        .map(({ event }) => describe(event))
        .join(", and with ")}`;
      const confirmed = candidates.filter(({ message }) => message.confirmed);
      if (confirmed.length > 1) return await stop(`${story}, all from the wallet-service`);
      const truth = confirmed[0] ?? (await askWalletService(position));
      if (truth === undefined) {
        throw new PositionInDoubt(`${story}; the wallet-service could not be asked which is true`);
      }
      // It comes first: a crash in between repeats the choice.
      await store((sql) => keepWaiting(sql, [{ ...truth.message, position }]));
      for (const each of candidates) {
        if (isSame(each.event, truth.event)) continue;
        await park(each.message, `The wallet-service does not confirm it: ${story}.`);
        await dropWaiting(each);
      }
    },

    async reject(arrived, { reason, contradicts }) {
      const { message, event } = arrived;
      if (message.confirmed && contradicts) {
        return await stop(
          `position ${event.position} arrived with ${describe(event)} from the wallet-service: ${reason}`,
        );
      }
      await park(message, reason);
      await dropWaiting(arrived);
    },

    async withoutFarAhead(events, mark) {
      const bound = mark + positionsAheadMax;
      if (events.every(({ event }) => event.position <= bound)) return events;
      const end = await journal.readLastPosition();
      if (end === undefined) return events;
      const isFar = ({ event }: ArrivedEvent) => event.position > bound && event.position > end;
      for (const { message } of events.filter(isFar)) {
        await park(
          message,
          `Its position ${message.position} is none: the journal ends at ${end}.`,
        );
      }
      return events.filter((event) => !isFar(event));
    },
  };
}

/** Whether a message repeats an event and leaves out its segment's hash, which proves nothing. */
function saysLess({ message, event }: ArrivedEvent, { hash }: StoredHashes): boolean {
  const { journalHash } = event;
  return !message.confirmed && journalHash === undefined && isSame(event, { hash, journalHash });
}

function describe({ hash, journalHash }: EventHashes): string {
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  return `hash ${hex(hash)}${journalHash ? ` and journal hash ${hex(journalHash)}` : ""}`;
}
