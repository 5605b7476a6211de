import { createHash } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import { type WalletEvent, WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import type postgres from "postgres";
import { auditItems } from "./item-audit.ts";
import { auditRequestKeys, auditWallets } from "./table-audit.ts";
import { createTrails, type WalletTrail } from "./trail-audit.ts";

/** A connection as the database's owner, or a transaction of one. */
export type OwnerSql = postgres.ISql<{ bigint: bigint }>;

/** An event as the journal has it. */
export interface JournalEvent {
  readonly position: bigint;
  /** When its segment was written, shortly before it was committed: milliseconds since 1970. */
  readonly committedAtMs: number;
  /** SHA-256 over its bytes. */
  readonly head: Buffer;
  readonly event: WalletEvent;
}

/** What the tables say, and everything in them that is wrong. */
export interface Audit {
  /** One sentence each, naming wallet and position. Empty when all is well. */
  readonly findings: string[];
  readonly segments: number;
  readonly events: readonly JournalEvent[];
  /** Every version of every wallet, replayed from the legs alone. */
  readonly trails: ReadonlyMap<string, WalletTrail>;
}

interface SegmentRow {
  firstPosition: bigint;
  segmentId: string;
  eventCount: number;
  hash: Buffer;
  events: Buffer;
  committedAtMs: number;
}

const segmentsPerPage = 500;
const segmentIdPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{8}0000$/;
const indexDigits = 4;
const positionBytes = 8;

/**
 * Checks the whole database, and shares no code with the service: it splits and hashes the events by
 * itself, replays every balance from the legs, and compares the tables with the outcome.
 */
export async function auditDatabase(owner: OwnerSql): Promise<Audit> {
  const findings: string[] = [];
  const events: JournalEvent[] = [];
  const trails = createTrails(findings);
  let nextPosition = 1n;
  let previousHash: Buffer = Buffer.alloc(0);
  let segments = 0;
  for await (const row of readSegments(owner)) {
    segments += 1;
    if (row.firstPosition !== nextPosition) {
      findings.push(`position ${row.firstPosition}: the journal goes on at ${nextPosition}`);
    }
    const found = auditSegment(row, previousHash, findings);
    for (const event of found) trails.add(event);
    events.push(...found);
    nextPosition = row.firstPosition + BigInt(found.length);
    previousHash = row.hash;
  }
  await auditWallets(owner, trails.byWallet, findings);
  await auditRequestKeys(owner, events, findings);
  await auditItems(owner, events, trails, findings);
  return { findings, segments, events, trails: trails.byWallet };
}

async function* readSegments(owner: OwnerSql): AsyncGenerator<SegmentRow> {
  let after = -1n;
  for (;;) {
    const rows = await owner<SegmentRow[]>`
      select first_position as "firstPosition", segment_id as "segmentId",
        event_count as "eventCount", hash, events,
        (extract(epoch from committed_at) * 1000)::float8 as "committedAtMs"
      from journal where first_position > ${after} order by first_position
      limit ${segmentsPerPage}`;
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.firstPosition;
  }
}

/** Takes a segment apart; its events, as far as they can be read. */
function auditSegment(row: SegmentRow, previousHash: Buffer, findings: string[]): JournalEvent[] {
  const at = `position ${row.firstPosition}`;
  const parts = splitEvents(row.events);
  if (parts.rest > 0) findings.push(`${at}: ${parts.rest} bytes behind the last event`);
  if (parts.events.length !== row.eventCount) {
    findings.push(`${at}: event_count is ${row.eventCount} of ${parts.events.length} events`);
  }
  if (!segmentIdPattern.test(row.segmentId)) {
    findings.push(`${at}: segment id ${row.segmentId} is no UUIDv7 that ends in 0000`);
  }
  const heads = parts.events.map(sha256);
  const number = Buffer.alloc(positionBytes);
  number.writeBigInt64BE(row.firstPosition);
  if (!sha256(Buffer.concat([previousHash, number, ...heads])).equals(row.hash)) {
    findings.push(`${at}: the chain of hashes is broken`);
  }
  const idPrefix = row.segmentId.slice(0, -indexDigits);
  return parts.events.flatMap((bytes, index) => {
    const position = row.firstPosition + BigInt(index);
    const event = decode(bytes);
    if (event === undefined) {
      findings.push(`position ${position}: not a WalletEvent`);
      return [];
    }
    const transactionId = idPrefix + index.toString(16).padStart(indexDigits, "0");
    if (event.transactionId !== transactionId) {
      findings.push(
        `position ${position}: transaction ${event.transactionId}, not ${transactionId}`,
      );
    }
    return [{ position, committedAtMs: row.committedAtMs, head: sha256(bytes), event }];
  });
}

/** Splits bytes into messages, each with its length in front as a varint. */
function splitEvents(bytes: Buffer): { events: Buffer[]; rest: number } {
  const events: Buffer[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    let length = 0;
    let at = offset;
    for (let shift = 1; ; shift *= 0x80) {
      const byte = bytes[at];
      if (byte === undefined) return { events, rest: bytes.length - offset };
      at += 1;
      length += (byte & 0x7f) * shift;
      if (byte < 0x80) break;
    }
    if (at + length > bytes.length) return { events, rest: bytes.length - offset };
    events.push(bytes.subarray(at, at + length));
    offset = at + length;
  }
  return { events, rest: 0 };
}

function decode(bytes: Buffer): WalletEvent | undefined {
  try {
    return fromBinary(WalletEventSchema, bytes);
  } catch {
    return undefined;
  }
}

function sha256(bytes: Buffer): Buffer {
  return createHash("sha256").update(bytes).digest();
}
