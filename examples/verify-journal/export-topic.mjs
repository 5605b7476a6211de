// Exports the topic of WalletEvents, from its beginning to where it ends now, as JSON lines:
//
//   node examples/verify-journal/export-topic.mjs HOST:PORT wallet-events | sort -t: -k2,2n
//
// A line begins with {"position":N, so that `sort` brings the partitions' events into one order.
import { randomBytes } from "node:crypto";
import process from "node:process";
import { Kafka, logLevel } from "kafkajs";

const [broker, topic] = process.argv.slice(2);
if (broker === undefined || topic === undefined) {
  process.stderr.write("Usage: node export-topic.mjs HOST:PORT TOPIC\n");
  process.exit(2);
}

const kafka = new Kafka({ clientId: "export", brokers: [broker], logLevel: logLevel.ERROR });
const admin = kafka.admin();
await admin.connect();
const ends = await admin.fetchTopicOffsets(topic);
await admin.disconnect();

// What each partition has to be read to; those without messages are read already.
const unread = new Map(
  ends
    .filter(({ low, high }) => BigInt(low) < BigInt(high))
    .map(({ partition, high }) => [partition, BigInt(high)]),
);
const groupId = `export-${randomBytes(6).toString("hex")}`;
const consumer = kafka.consumer({ groupId });
if (unread.size > 0) {
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await new Promise((resolve, reject) => {
    consumer.on("consumer.crash", ({ payload }) => reject(payload.error));
    const eachBatch = async ({ batch }) => readBatch(batch, resolve);
    consumer.run({ autoCommit: false, eachBatch }).catch(reject);
  });
  await consumer.disconnect();
}

/** Prints a batch, and tells when it was the last one. */
function readBatch(batch, done) {
  const { partition, messages } = batch;
  const end = unread.get(partition);
  if (end === undefined) return;
  for (const { offset, value, headers } of messages) {
    if (BigInt(offset) < end) print(value, headers);
  }
  if (BigInt(batch.lastOffset()) + 1n >= end) unread.delete(partition);
  if (unread.size === 0) done();
}

function print(value, headers) {
  const { position, journal_hash: hash } = headers ?? {};
  // A message without a position is none of ours; whether one is missing shows in the positions.
  if (position === undefined || value === null) return;
  const record = {
    position: Number(position),
    event: value.toString("base64"),
    ...(hash === undefined ? {} : { journal_hash: String(hash) }),
  };
  process.stdout.write(`${JSON.stringify(record)}\n`);
}
