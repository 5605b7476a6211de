import { fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { createKafka, type UsedKafka } from "@pelikuni/runtime/kafka";
import postgres from "postgres";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startTcpProxy } from "../../e2e/src/tcp-proxy.ts";
import { createTestDatabase } from "../../e2e/src/test-database.ts";
import { describeOverKafka } from "../../e2e/src/test-kafka.ts";
import { type ReadMessage, readTopic, type TopicReader } from "../../e2e/src/topic-reader.ts";
import type { JournalRelay } from "../src/journal-relay.ts";
import type { WalletEngine } from "../src/wallet-engine.ts";
import {
  createWallets,
  positionsByKey,
  readJournalTable,
  startRelay,
  transferAround,
  untilPublished,
} from "./relay-bed.ts";
import { createEngineBed, type EngineBed, quiet } from "./test-engine.ts";

const kindOf: Readonly<Record<string, string>> = {
  walletCreated: "pelikuni.wallet.v1.WalletCreated",
  walletFunded: "pelikuni.wallet.v1.WalletFunded",
  transferCompleted: "pelikuni.wallet.v1.TransferCompleted",
};

let bed: EngineBed;
let engine: WalletEngine;
beforeEach(async () => {
  bed = await createEngineBed();
  engine = bed.replica();
});
afterEach(async () => {
  await bed[Symbol.asyncDispose]();
});

/** Reads the topic of a relay once it is there. */
async function readWhenCreated(kafka: UsedKafka, topic = kafka.topic): Promise<TopicReader> {
  const admin = createKafka(kafka, quiet).admin();
  await admin.connect();
  await expect.poll(() => admin.listTopics(), { timeout: 30_000 }).toContain(topic);
  await admin.disconnect();
  return await readTopic(kafka.brokers, topic);
}

async function untilLeading(relay: JournalRelay): Promise<void> {
  await expect.poll(() => relay.isLeading(), { timeout: 15_000 }).toBe(true);
}

await describeOverKafka("the journal relay", (kafka) => {
  test("every event is published once, as it was hashed, in the order of positions for each key", async () => {
    const settings = kafka.settings();
    const wallets = await createWallets(engine, 12);
    await transferAround(engine, wallets, 300);
    await using relay = startRelay(engine, settings);
    await using reader = await readWhenCreated(settings);
    await transferAround(engine, wallets, 300);
    await untilPublished(bed, reader.messages);
    const journal = await readJournalTable(bed);
    expect(reader.messages).toHaveLength(journal.size);
    for (const positions of positionsByKey(reader.messages).values()) {
      expect(positions).toEqual(positions.toSorted((one, other) => Number(one - other)));
    }
    expect(new Set(reader.messages.map(({ partition }) => partition)).size).toBeGreaterThan(1);
    await expect.poll(() => relay.readLag()).toBe(0n);
  });

  test("key and headers tell what is needed to route an event without decoding it", async () => {
    const settings = kafka.settings();
    const wallets = await createWallets(engine, 2);
    await transferAround(engine, wallets, 2);
    await using _relay = startRelay(engine, settings);
    await using reader = await readWhenCreated(settings);
    await untilPublished(bed, reader.messages);
    const kinds = new Set<string | undefined>();
    for (const { key, value, headers } of reader.messages) {
      const event = fromBinary(WalletEventSchema, value);
      const { journal_hash: _, position: __, ...cloudEvent } = headers;
      expect(key).toBe(event.changes[0]?.walletId);
      if (event.kind.case === undefined || !event.occurredAt) throw new Error("No known kind.");
      expect(cloudEvent).toEqual({
        ce_specversion: "1.0",
        ce_id: event.transactionId,
        ce_type: kindOf[event.kind.case],
        ce_source: "/pelikuni/wallet-service",
        ce_time: new Date(timestampMs(event.occurredAt)).toISOString(),
        "content-type": "application/protobuf",
      });
      kinds.add(event.kind.case);
    }
    expect(kinds).toEqual(new Set(Object.keys(kindOf)));
  });

  test("a missing topic is created with the configured partitions", async () => {
    const settings = kafka.settings({ partitions: 3 });
    await using _relay = startRelay(engine, settings);
    await using _reader = await readWhenCreated(settings);
    const admin = createKafka(settings, quiet).admin();
    await admin.connect();
    const { topics } = await admin.fetchTopicMetadata({ topics: [settings.topic] });
    await admin.disconnect();
    expect(topics[0]?.partitions).toHaveLength(3);
  });

  test("one replica publishes; when its connection is cut the other goes on, and nothing is lost", async () => {
    const settings = kafka.settings();
    const url = new URL(bed.serviceUrl);
    await using proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
    url.port = String(proxy.port);
    await using first = startRelay(bed.replica({ databaseUrl: url.href }), settings);
    await untilLeading(first);
    await using second = startRelay(bed.replica(), settings);
    await using reader = await readWhenCreated(settings);
    const wallets = await createWallets(engine, 5);
    await untilPublished(bed, reader.messages);
    expect(second.isLeading()).toBe(false);
    const transfers = transferAround(engine, wallets, 2_000);
    await proxy.setMode("refuse");
    await untilLeading(second);
    expect(first.isLeading()).toBe(false);
    await transfers;
    await untilPublished(bed, reader.messages);
  });

  test("a leader that is cut off without a word is replaced within seconds", async () => {
    const settings = kafka.settings();
    const url = new URL(bed.serviceUrl);
    await using proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
    url.port = String(proxy.port);
    await using first = startRelay(bed.replica({ databaseUrl: url.href }), settings);
    await untilLeading(first);
    await using second = startRelay(bed.replica(), settings);
    await proxy.setMode("freeze");
    await expect.poll(() => first.isLeading(), { timeout: 15_000 }).toBe(false);
    await untilLeading(second);
    await proxy.setMode("forward");
  });

  test("a leader that could not note what the brokers have sends it again", async () => {
    const settings = kafka.settings();
    const wallets = await createWallets(engine, 3);
    await using relay = startRelay(engine, settings);
    await using reader = await readWhenCreated(settings);
    await untilPublished(bed, reader.messages);
    const before = reader.messages.length;
    await bed.owner.begin(async (sql) => {
      await sql`lock table journal_cursors in access exclusive mode`;
      await transferAround(engine, wallets, 10);
      // The brokers have the events, and noting it fails.
      await expect.poll(() => reader.messages.length, { timeout: 20_000 }).toBe(before + 10);
      await expect.poll(() => relay.isLeading(), { timeout: 20_000 }).toBe(false);
    });
    await expect.poll(() => reader.messages.length, { timeout: 20_000 }).toBe(before + 20);
    await untilPublished(bed, reader.messages);
    await expect.poll(() => relay.readLag(), { timeout: 20_000 }).toBe(0n);
  });

  test("a transaction left open, here or in another database, holds no event back", async () => {
    const settings = kafka.settings();
    await using _relay = startRelay(engine, settings);
    await using reader = await readWhenCreated(settings);
    await using elsewhere = await createTestDatabase();
    const other = postgres(elsewhere.ownerUrl, { max: 1 });
    await other.begin(async (there) => {
      await there`create table left_open as select txid_current()`;
      await bed.owner.begin(async (here) => {
        await here`create table left_open as select txid_current()`;
        const wallets = await createWallets(engine, 3);
        await transferAround(engine, wallets, 50);
        await untilPublished(bed, reader.messages);
      });
    });
    await other.end();
  });

  test("the second topic has the earlier version's JSON of the same events, under the same keys", async () => {
    const settings = kafka.settings({ json_topic: kafka.newTopicName() });
    const wallets = await createWallets(engine, 3);
    await transferAround(engine, wallets, 20);
    await using _relay = startRelay(engine, settings);
    await using events = await readWhenCreated(settings);
    await using json = await readWhenCreated(settings, settings.json_topic);
    await untilPublished(bed, events.messages);
    await expect.poll(() => json.messages.length).toBe(events.messages.length);
    const keysAndIds = (messages: readonly ReadMessage[], idOf: (one: ReadMessage) => unknown) =>
      new Set(messages.map((message) => `${message.key} ${idOf(message)}`));
    const jsonId = ({ value }: ReadMessage): unknown => {
      const content = JSON.parse(value.toString());
      return content.transaction_id ?? content.from_transaction_id;
    };
    expect(keysAndIds(json.messages, jsonId)).toEqual(
      keysAndIds(events.messages, ({ headers }) => headers.ce_id),
    );
  });
});
