import type { Message } from "kafkajs";
import type { JournalEvent } from "./change-feed.ts";
import { outlineEvent } from "./event-outline.ts";

const source = "/pelikuni/wallet-service";

/**
 * The Kafka message of an event: its bytes verbatim, keyed by the wallet of its first change, with
 * headers after CloudEvents' binding for Kafka. The message's own time is when it was sent: a broker
 * removes by that time, and an event may have waited long.
 */
export function eventMessage({ position, bytes, journalHash }: JournalEvent): Message {
  const { transactionId, occurredAtMs, firstWalletId, kind } = outlineEvent(bytes);
  const headers = {
    ce_specversion: "1.0",
    ce_id: transactionId,
    ce_type: kind,
    ce_source: source,
    ce_time: new Date(occurredAtMs).toISOString(),
    "content-type": "application/protobuf",
    position: position.toString(),
    ...(journalHash === undefined ? {} : { journal_hash: asBuffer(journalHash).toString("hex") }),
  };
  return { key: firstWalletId, value: asBuffer(bytes), headers };
}

function asBuffer(bytes: Uint8Array): Buffer {
  if (Buffer.isBuffer(bytes)) return bytes;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
