import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { HistoryService } from "@pelikuni/gen/history/v1/history_service_pb";
import { SideSchema, WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { createKafka, type UsedKafka } from "@pelikuni/runtime/kafka";
import { createLogger } from "@pelikuni/runtime/logger";
import type { Message } from "kafkajs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type HistoryBed, startHistory, startHistoryBed, transportTo } from "../src/history-bed.ts";
import { createTestDatabase } from "../src/test-database.ts";
import { describeOverKafka } from "../src/test-kafka.ts";

const quiet = createLogger("test", { level: "silent", format: "json" });
// A consumer group settles in a few seconds, and later after a member was lost.
const timeout = 40_000;

function withWalletId(bytes: Uint8Array, walletId: string): Buffer {
  const event = fromBinary(WalletEventSchema, bytes);
  for (const change of event.changes) change.walletId = walletId;
  return Buffer.from(toBinary(WalletEventSchema, event));
}

await describeOverKafka("history over Kafka", (cluster) => {
  let kafka: UsedKafka;
  let bed: HistoryBed;
  let wallets: string[];
  beforeEach(async () => {
    kafka = cluster.settings({ partitions: 4 });
    bed = await startHistoryBed({ kafka });
    wallets = [];
    for (let index = 0; index < 8; index += 1) {
      const walletId =
        (await bed.wallets.createWallet({ userId: `user-${index}` })).wallet?.id ?? "";
      await bed.wallets.fundWallet({ walletId, amount: "1000" });
      wallets.push(walletId);
    }
  });
  afterEach(async () => {
    await bed[Symbol.asyncDispose]();
  });

  /** Moves money around, and gives the highest position of it. */
  async function move(count: number): Promise<bigint> {
    const at = (index: number): string => wallets[index % wallets.length] ?? "";
    const answers = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        bed.wallets.transfer({
          fromWalletId: at(index),
          toWalletId: at(index + 1),
          amount: "0.01",
        }),
      ),
    );
    const positions = answers.map(({ receipt }) => receipt?.position ?? 0n);
    return positions.toSorted((one, other) => Number(one - other)).at(-1) ?? 0n;
  }

  async function expectWhole(position: bigint, grpcPort = bed.historyGrpcPort): Promise<void> {
    await using transport = transportTo(grpcPort);
    const history = createClient(HistoryService, transport);
    const completeTo = async (): Promise<bigint> => (await history.getCompleteness({})).completeTo;
    await expect.poll(completeTo, { timeout }).toBe(position);
    for await (const message of history.verifyJournal({})) expect(message.findingCount).toBe(0n);
    for await (const { result } of history.reconcile({})) {
      expect(result.value).toMatchObject({ walletCount: 8n, differenceCount: 0n });
    }
  }

  async function send(messages: Message[]): Promise<void> {
    const producer = createKafka(kafka, quiet).producer();
    await producer.connect();
    await producer.send({ topic: kafka.topic, messages });
    await producer.disconnect();
  }

  test("events over all partitions are put in place, by one consumer and by several", async () => {
    const last = await move(500);
    await expectWhole(last);
    const { historyDatabase: database, walletGrpcPort } = bed;
    await using other = await startHistory(database, { walletGrpcPort, kafka });
    await expectWhole(await move(500), other.grpcPort);
    await expectWhole(await move(500));
  });

  test("a history that stops in the middle goes on with another consumer; another database begins at the beginning", async () => {
    await using database = await createTestDatabase();
    const { walletGrpcPort } = bed;
    const first = await startHistory(database, { walletGrpcPort, kafka });
    await expectWhole(await move(50), first.grpcPort);
    const moving = move(1_000);
    await first[Symbol.asyncDispose]();
    const last = await moving;
    await using second = await startHistory(database, { walletGrpcPort, kafka });
    await expectWhole(last, second.grpcPort);
  });

  /** Deletes every message that is on the topic now. */
  async function emptyTopic(): Promise<void> {
    const admin = createKafka(kafka, quiet).admin();
    await admin.connect();
    const ends = await admin.fetchTopicOffsets(kafka.topic);
    const partitions = ends.map(({ partition, high }) => ({ partition, offset: high }));
    await admin.deleteTopicRecords({ topic: kafka.topic, partitions });
    await admin.disconnect();
  }

  test("a gap whose messages are gone from the topic is fetched from the change feed", async () => {
    await using database = await createTestDatabase();
    const { walletGrpcPort } = bed;
    const first = await startHistory(database, { walletGrpcPort, kafka });
    await expectWhole(await move(20), first.grpcPort);
    await first[Symbol.asyncDispose]();
    await expectWhole(await move(50));
    await emptyTopic();
    await using second = await startHistory(database, { walletGrpcPort, kafka });
    await expectWhole(await move(20), second.grpcPort);
    await expectWhole(await move(20), second.grpcPort);
  });

  test("a history restored from a backup gets what its consumer group has passed", async () => {
    const kept = await move(20);
    await expectWhole(kept);
    await expectWhole(await move(20));
    const sql = bed.historyOwner;
    const tables = ["events", "entries", "account_entries"];
    for (const table of tables) {
      await sql.unsafe(`alter table ${table} disable trigger append_only;
        delete from ${table} where position > ${kept};
        alter table ${table} enable always trigger append_only`);
    }
    await sql`update completeness set complete_to = ${kept}`;
    await expectWhole(await move(20));
  });

  test("messages that are no events are parked where they were found, listed, and change nothing else", async () => {
    await expectWhole(await move(20));
    const { eventBytes, position } = await bed.history.getTransaction({
      transactionId:
        (await bed.history.listEntries({ walletId: wallets[0] ?? "" })).entries[0]?.transactionId ??
        "",
    });
    const value = Buffer.from(eventBytes);
    await send([
      { partition: 1, value: "poison", headers: { position: "7" } },
      { partition: 1, value: null, headers: { position: "8" } },
      { partition: 2, value, headers: {} },
      { partition: 2, value, headers: { position: "-1" } },
      { partition: 2, value, headers: { position: ["1", "2"] } },
      { partition: 3, value, headers: { position: String(position), journal_hash: "none" } },
      { partition: 3, value: withWalletId(eventBytes, "a\0b"), headers: { position: "9" } },
    ]);
    const last = await move(20);
    const parked = async () => (await bed.history.getCompleteness({})).parkedCount;
    await expect.poll(parked, { timeout }).toBe(7n);
    await expectWhole(last);
    const listed = [];
    let pageToken = "";
    do {
      const page = await bed.history.listParkedEvents({ pageSize: 4, pageToken });
      listed.push(...page.parkedEvents);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    expect(listed.map(({ partition }) => partition).toSorted((one, other) => one - other)).toEqual([
      1, 1, 2, 2, 2, 3, 3,
    ]);
    const poison = listed.find((each) => Buffer.from(each.value).toString() === "poison");
    expect(poison).toMatchObject({
      topic: kafka.topic,
      reason: expect.stringContaining("no WalletEvent"),
    });
    expect(poison?.offset).toBeGreaterThanOrEqual(0n);
    const { replayed, reason } = await bed.history.replayParkedEvent({ id: poison?.id ?? 0n });
    expect([replayed, reason]).toEqual([false, poison?.reason]);
    await expect(bed.history.replayParkedEvent({ id: 999_999n })).rejects.toThrow(/No message/);
  });

  /** All events of history as messages of the topic. */
  async function published(): Promise<{ value: Buffer; headers: { position: string } }[]> {
    const rows = await bed.historyOwner<{ position: bigint; bytes: Buffer }[]>`
      select position, bytes from events order by position`;
    return rows.map(({ position, bytes }) => {
      return { value: bytes, headers: { position: String(position) } };
    });
  }

  test("what was published already may come again; other bytes at a known position are parked when the wallet-service does not confirm them, and stop ingestion when it cannot be asked", async () => {
    await using database = await createTestDatabase();
    await using alone = await startHistory(database, { walletGrpcPort: 1, kafka });
    await using transport = transportTo(alone.grpcPort);
    const client = createClient(HistoryService, transport);
    const last = await move(20);
    await expectWhole(last);
    const completeTo = async () => (await client.getCompleteness({})).completeTo;
    await expect.poll(completeTo, { timeout }).toBe(last);
    const messages = await published();
    await send(messages);
    const [, second, third] = messages;
    await send([
      { value: second?.value ?? null, headers: { position: third?.headers.position ?? "" } },
    ]);
    const parked = async () => (await bed.history.getCompleteness({})).parkedCount;
    await expect.poll(parked, { timeout }).toBe(1n);
    await expectWhole(await move(5));

    const stopped = async () => (await client.getCompleteness({})).stoppedReason;
    await expect.poll(stopped, { timeout }).toContain("History has forked: position 3");
    const before = await completeTo();
    await using restarted = await startHistory(database, { walletGrpcPort: 1, kafka });
    await using other = transportTo(restarted.grpcPort);
    const after = await createClient(HistoryService, other).getCompleteness({});
    expect(after).toMatchObject({ completeTo: before, stoppedReason: await stopped() });
  });

  test("a forged event that is faster than the relay is not answered with, and the true one gets in", async () => {
    const last = await move(20);
    await expectWhole(last);
    const walletId = wallets[0] ?? "";
    const { wallet } = await bed.wallets.getWallet({ walletId });
    const latest = (await bed.history.listEntries({ walletId, pageSize: 1 })).entries[0];
    const { event } = await bed.history.getTransaction({
      transactionId: latest?.transactionId ?? "",
    });
    const change = event?.changes.find((each) => each.walletId === walletId);
    const leg = event?.legs[0];
    if (event === undefined || change === undefined || leg === undefined) throw new Error("None.");
    const forgery = {
      ...event,
      transactionId: "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1",
      changes: [
        {
          ...change,
          version: (wallet?.version ?? 0n) + 1n,
          amount: "900000.0000",
          balance: "901000.0000",
          previousHead: new Uint8Array(32),
        },
      ],
      legs: [
        {
          ...leg,
          from: create(SideSchema, { side: { case: "account", value: "external" } }),
          to: create(SideSchema, { side: { case: "walletId", value: walletId } }),
          amount: "900000.0000",
        },
      ],
    };
    const value = Buffer.from(toBinary(WalletEventSchema, forgery));
    await send([{ value, headers: { position: String(last + 1n) } }]);
    const parked = async () => (await bed.history.getCompleteness({})).parkedCount;
    await expect.poll(parked, { timeout }).toBe(1n);
    expect((await bed.history.getBalanceAt({ walletId })).entry?.balance).toBe(wallet?.balance);
    await expectWhole(await move(5));
  });

  test("without an address of Kafka the start says which setting is missing", async () => {
    const { historyDatabase: database, walletGrpcPort } = bed;
    const nowhere = { ...kafka, brokers: undefined };
    await expect(startHistory(database, { walletGrpcPort, kafka: nowhere })).rejects.toThrow(
      "APP__KAFKA__BROKERS is not set",
    );
  });
});
