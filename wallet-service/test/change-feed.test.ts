import { createHash } from "node:crypto";
import { toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import {
  EventFormat,
  type SubscribeEventsResponse,
  WalletService,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { createPositionTail } from "@pelikuni/runtime/position-tail";
import { createDatabaseClient, type DatabaseClient } from "@pelikuni/runtime/postgres";
import { errorReason } from "@pelikuni/runtime/rpc-errors";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readJournal } from "../src/change-feed.ts";
import { quiet } from "./test-engine.ts";
import { type ServiceBed, startServiceBed } from "./test-service.ts";

let bed: ServiceBed;
let walletId: string;
beforeAll(async () => {
  bed = await startServiceBed();
  walletId = (await bed.grpc.createWallet({ userId: "alice" })).wallet?.id ?? "";
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

async function fundTimes(count: number): Promise<void> {
  const fundings = Array.from({ length: count }, () =>
    bed.inProcess.fundWallet({ walletId, amount: "1" }),
  );
  await Promise.all(fundings);
}

async function read(
  afterPosition: bigint,
  count: number,
  way: "grpc" | "inProcess" = "grpc",
  format = EventFormat.MESSAGE,
): Promise<SubscribeEventsResponse[]> {
  const events: SubscribeEventsResponse[] = [];
  if (count === 0) return events;
  const enough = new AbortController();
  const { signal } = enough;
  for await (const event of bed[way].subscribeEvents({ afterPosition, format }, { signal })) {
    events.push(event);
    if (events.length === count) break;
  }
  // Without it the stream stays open.
  enough.abort();
  return events;
}

test.each(["grpc", "inProcess"] as const)(
  "over %s the feed begins behind any position, without a gap",
  async (way) => {
    await fundTimes(50);
    const all = await read(0n, 51, way);
    expect(all.map(({ position }) => position)).toEqual(all.map((_, index) => BigInt(index + 1)));
    for (const after of [1n, 7n, 25n, 50n]) {
      const [next] = await read(after, 1, way);
      expect(next).toEqual(all[Number(after)]);
    }
  },
);

test("the bytes are those that were hashed, and the hashes of segments chain over them", async () => {
  await fundTimes(40);
  const events = await read(0n, 60, "grpc", EventFormat.BYTES);
  const decoded = await read(0n, 60);
  let hash = Buffer.alloc(0);
  let segment: { first: bigint; hashes: Buffer[] } | undefined;
  let segments = 0;
  for (const [index, { position, content, journalHash }] of events.entries()) {
    if (content.case !== "eventBytes") throw new Error("The bytes are missing.");
    const event = decoded[index]?.content;
    if (event?.case !== "event") throw new Error("The message is missing.");
    expect(Buffer.from(content.value)).toEqual(
      Buffer.from(toBinary(WalletEventSchema, event.value)),
    );
    segment ??= { first: position, hashes: [] };
    segment.hashes.push(createHash("sha256").update(content.value).digest());
    if (journalHash.length === 0) continue;
    const first = Buffer.alloc(8);
    first.writeBigInt64BE(segment.first);
    hash = createHash("sha256")
      .update(Buffer.concat([hash, first, ...segment.hashes]))
      .digest();
    expect(Buffer.from(journalHash)).toEqual(hash);
    segment = undefined;
    segments += 1;
  }
  expect(segments).toBeGreaterThan(1);
});

test("the feed goes on live, and ends when its reader leaves", async () => {
  const [{ position: last = 0n } = {}] = (await read(0n, 60)).slice(-1);
  const cancel = new AbortController();
  const received: bigint[] = [];
  const reading = (async () => {
    const events = bed.grpc.subscribeEvents({ afterPosition: last }, { signal: cancel.signal });
    for await (const { position } of events) received.push(position);
  })();
  const before = received.length;
  await fundTimes(3);
  await expect.poll(() => received.length).toBeGreaterThanOrEqual(before + 3);
  expect(received).toEqual(received.map((_, index) => last + BigInt(index + 1)));
  cancel.abort();
  await expect(reading).rejects.toThrow(/cancel|abort/i);
});

test("the feed sees what another process has committed", async () => {
  const [{ position: last = 0n } = {}] = (await read(0n, 60)).slice(-1);
  const known = await bed.inProcess.fundWallet({ walletId, amount: "1" });
  const waiting = read(known.receipt?.position ?? last, 1);
  // Stands for another replica: its commit wakes nobody here.
  await using other = await startServiceBed({}, bed.database);
  const { receipt } = await other.grpc.fundWallet({ walletId, amount: "1" });
  const [event] = await waiting;
  expect(event?.position).toBe(receipt?.position);
});

test("a slow reader loses nothing, and does not make the service hold what he has not read", async () => {
  const start = (await read(0n, 60)).at(-1)?.position ?? 0n;
  const cancel = new AbortController();
  const slow = bed.inProcess
    .subscribeEvents({ afterPosition: start }, { signal: cancel.signal })
    [Symbol.asyncIterator]();
  const first = slow.next();
  for (let round = 0; round < 20; round += 1) await fundTimes(100);
  const positions = [(await first).value?.position];
  for (let count = 1; count < 2_000; count += 1)
    positions.push((await slow.next()).value?.position);
  expect(positions).toEqual(positions.map((_, index) => start + BigInt(index + 1)));
  cancel.abort();
});

test("the service holds one small page for a reader who does not read on", async () => {
  for (let round = 0; round < 20; round += 1) await fundTimes(100);
  await using pool = createDatabaseClient({
    url: bed.database.serviceUrl,
    applicationName: "change feed test",
    connectionsMax: 1,
    callTimeoutMs: 10_000,
    logger: quiet,
  });
  let reads = 0;
  const watched: DatabaseClient = {
    ...pool,
    read(query) {
      reads += 1;
      return pool.read(query);
    },
  };
  const { signal } = new AbortController();
  const tail = createPositionTail(async () => 0n, 50);
  let bytes = 0;
  for await (const segment of readJournal(watched, tail, 0n, signal)) {
    expect(bytes).toBeLessThan(reads * 200 * 1024);
    for (const event of segment.events) bytes += event.length;
    if (bytes > 300 * 1024) break;
  }
});

test("more readers than a process serves are told so, and may come when others have left", async () => {
  const readers = Array.from({ length: 100 }, () => new AbortController());
  for (const { signal } of readers) {
    const feed = bed.grpc.subscribeEvents({ afterPosition: 0n }, { signal });
    expect((await feed[Symbol.asyncIterator]().next()).value?.position).toBe(1n);
  }
  const refused = await read(0n, 1).catch(ConnectError.from);
  if (!(refused instanceof ConnectError)) throw new Error("It was served.");
  expect([refused.code, errorReason(refused)]).toEqual([Code.Unavailable, "OVERLOADED"]);
  for (const reader of readers) reader.abort();
  await expect.poll(() => read(0n, 1).then(() => "served", String)).toBe("served");
});

test("behind the last position that there can be, the feed waits", async () => {
  const last = 2n ** 63n - 1n;
  const leave = new AbortController();
  const feed = bed.grpc.subscribeEvents({ afterPosition: last }, { signal: leave.signal });
  const next = feed[Symbol.asyncIterator]().next().catch(ConnectError.from);
  // Served after it, and answered before it.
  await read(0n, 1);
  await fundTimes(1);
  leave.abort();
  expect(await next).toMatchObject({ code: Code.Canceled });
});

test("a snapshot shows all wallets at one position, heads included", async () => {
  const bob = (await bed.grpc.createWallet({ userId: "bob" })).wallet?.id ?? "";
  const { receipt } = await bed.grpc.transfer({
    fromWalletId: walletId,
    toWalletId: bob,
    amount: "1",
  });
  const parts = [];
  for await (const { content } of bed.grpc.snapshotWallets({})) parts.push(content);
  const [position, ...wallets] = parts;
  expect(position).toEqual({ case: "position", value: receipt?.position });
  const states = wallets.flatMap(({ value }) => (typeof value === "object" ? [value] : []));
  expect(states.map(({ wallet }) => wallet?.id)).toEqual(
    [walletId, bob].toSorted((one, other) => (one < other ? -1 : 1)),
  );
  const owner = postgres(bed.database.ownerUrl, { max: 1 });
  for (const { wallet, head } of states) {
    const [row] = await owner`select head from wallets where id = ${wallet?.id ?? ""}`;
    expect(Buffer.from(head)).toEqual(row?.head);
  }
  await owner.end();
});

test("snapshots that are left in their middle leave no connection behind", async () => {
  const creations = Array.from({ length: 500 }, () =>
    bed.inProcess.createWallet({ userId: "carol" }),
  );
  await Promise.all(creations);
  const baseUrl = `http://127.0.0.1:${bed.httpPort}`;
  const overHttp = createClient(
    WalletService,
    createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  );
  for (const client of [bed.grpc, overHttp]) {
    for (let left = 0; left < 40; left += 1) {
      const leave = new AbortController();
      for await (const _ of client.snapshotWallets({}, { signal: leave.signal })) break;
      leave.abort();
    }
  }
  const owner = postgres(bed.database.ownerUrl, { max: 1 });
  const connections = async () =>
    (
      await owner`
        select 1 from pg_stat_activity
        where datname = current_database() and application_name like '% snapshot'`
    ).length;
  await expect.poll(connections).toBe(0);
  await owner.end();
});
