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

// Anybody who may write to the topic may have sent what is none of ours: it is printed without a
// position, and counted by the verifier.
function print(value, headers) {
  const position = String(headers?.position ?? "");
  const record = {
    position: /^[1-9][0-9]{0,18}$/.test(position) ? position : null,
    event: (value ?? Buffer.alloc(0)).toString("base64"),
    ...(headers?.journal_hash === undefined ? {} : { journal_hash: String(headers.journal_hash) }),
  };
  // As a number without quotes, for `sort`; JavaScript's own numbers do not hold every position.
  const text = JSON.stringify(record).replace(/^(\{"position":)"([0-9]+)"/, "$1$2");
  process.stdout.write(`${text}\n`);
}
