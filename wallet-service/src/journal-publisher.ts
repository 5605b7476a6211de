import type { UsedKafka } from "@pelikuni/runtime/kafka";
import type { Leadership } from "@pelikuni/runtime/leadership";
import type { PositionTail } from "@pelikuni/runtime/position-tail";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import type { Kafka } from "kafkajs";
import { eventsBehind, type JournalEvent } from "./change-feed.ts";
import { eventMessage } from "./event-message.ts";
import { connectProducer, type TopicMessages } from "./event-producer.ts";
import { advanceCursor, confirmLazily, readCursor } from "./journal-cursor-store.ts";
import { type ChainedSegment, readSegmentsBehind } from "./journal-store.ts";
import { jsonEventMessage } from "./json-event.ts";

/** From where to where events are published. */
export interface JournalPublication {
  readonly kafka: Kafka;
  readonly configuration: UsedKafka;
  /** For reading the journal. */
  readonly pool: DatabaseClient;
  readonly tail: PositionTail;
  /** Told where publishing begins, and then how far it has got. */
  readonly onPublished: (position: bigint) => void;
}

const bytesPerReadMax = 1024 * 1024;
// A broker takes up to 1 MiB for one partition, and all of a batch may be for one.
const batchBytesMax = 640 * 1024;
// Headers and key are about 300 bytes an event. A batch is encoded without a pause, for which the
// calls that this process serves have to wait.
const batchEventsMax = 1_000;

/**
 * Publishes the journal behind the cursor, in the order of positions, then what is committed later,
 * until the signal aborts. The cursor follows the brokers' answer: whatever fails in between is sent
 * again, and nothing is left out.
 *
 * @throws DatabaseUnavailable, LeadershipLost, or what failed in Kafka
 */
export async function publishJournal(
  publication: JournalPublication,
  leadership: Leadership,
  signal: AbortSignal,
): Promise<void> {
  const { configuration, pool, tail, onPublished } = publication;
  const { topic } = configuration;
  let position = await leadership.call(async (sql) => {
    await confirmLazily(sql);
    return await readCursor(sql, topic);
  });
  onPublished(position);
  await using producer = await connectProducer(publication.kafka, configuration);
  let ahead: Promise<ChainedSegment[]> | undefined;
  while (!signal.aborted) {
    const behind = position;
    const segments = await (ahead ?? readBehind(pool, behind));
    const events = segments.flatMap((segment) => eventsBehind(segment, behind));
    const last = events.at(-1)?.position;
    if (last === undefined) await tail.waitFor(behind + 1n, signal);
    // While the brokers take what was read, the database reads on.
    ahead = last === undefined ? undefined : readAhead(pool, last);
    for (const batch of batchesOf(events)) {
      if (signal.aborted) return;
      await producer.send(messagesOf(batch.events, configuration));
      await leadership.call((sql) => advanceCursor(sql, topic, batch.lastPosition));
      position = batch.lastPosition;
      onPublished(position);
    }
  }
}

function readBehind(pool: DatabaseClient, position: bigint): Promise<ChainedSegment[]> {
  return pool.read((sql) => readSegmentsBehind(sql, position, bytesPerReadMax));
}

function readAhead(pool: DatabaseClient, position: bigint): Promise<ChainedSegment[]> {
  const segments = readBehind(pool, position);
  // Whoever awaits it hears of a fault; nobody does when sending fails before.
  segments.catch(() => undefined);
  return segments;
}

interface Batch {
  readonly events: JournalEvent[];
  lastPosition: bigint;
  bytes: number;
}

/** Cuts events into batches within the limits, each of at least one event. */
function batchesOf(events: readonly JournalEvent[]): Batch[] {
  const batches: Batch[] = [];
  for (const event of events) {
    const bytes = event.bytes.length;
    const open = batches.at(-1);
    if (open && open.events.length < batchEventsMax && open.bytes + bytes <= batchBytesMax) {
      open.events.push(event);
      open.lastPosition = event.position;
      open.bytes += bytes;
    } else {
      batches.push({ events: [event], lastPosition: event.position, bytes });
    }
  }
  return batches;
}

function messagesOf(events: readonly JournalEvent[], configuration: UsedKafka): TopicMessages[] {
  const { topic, json_topic } = configuration;
  const all = [{ topic, messages: events.map(eventMessage) }];
  if (json_topic === undefined) return all;
  const messages = events.flatMap(({ bytes }) => jsonEventMessage(bytes) ?? []);
  return messages.length === 0 ? all : [...all, { topic: json_topic, messages }];
}
