import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type CallOptions,
  type Client,
  Code,
  ConnectError,
  createClient,
  createContextValues,
} from "@connectrpc/connect";
import { ErrorInfoSchema } from "@pelikuni/gen/google/rpc/error_details_pb";
import {
  GetBalanceAtResponseSchema,
  GetStatementResponseSchema,
  GetTransactionResponseSchema,
  HistoryService,
  ListEntriesResponseSchema,
  type WatchWalletResponse,
  WatchWalletResponseSchema,
} from "@pelikuni/gen/history/v1/history_service_pb";
import { type WalletEvent, WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { callerKey } from "@pelikuni/runtime/access/caller";
import { createLogger } from "@pelikuni/runtime/logger";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { HistoryService as RunningHistory } from "../src/start-history-service.ts";
import { sha256, startMs, uuidOf } from "./journal-maker.ts";
import { issuer, type OwnersStory, steps, tellOwnersStory } from "./owners-story.ts";
import { createHistoryBed, type HistoryBed, serveHistory } from "./test-history.ts";

const logged: string[] = [];
const sink = { write: (line: string) => void logged.push(line) };
const logger = createLogger("test", { level: "warn", format: "json" }, sink);
const period = { from: timestampFromMs(startMs), to: timestampFromMs(startMs * 2) };

let bed: HistoryBed;
let service: RunningHistory;
let history: Client<typeof HistoryService>;
beforeAll(async () => {
  bed = await createHistoryBed();
  service = await serveHistory(bed, logger);
  history = createClient(HistoryService, service.transport);
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await bed.clear();
});

/** A call of a user, who has no scopes unless some are given. */
function by(userId: string, scopes: readonly string[] = []): CallOptions {
  const identity = { issuer, subject: userId, client: uuidOf(`client of ${userId}`) };
  const caller = { ...identity, scopes: new Set(scopes), isUser: true };
  return { contextValues: createContextValues().set(callerKey, caller) };
}

let stories = 0;

/** Each has ids of its own. */
async function happen(...args: [] | [Parameters<typeof tellOwnersStory>[1]]): Promise<OwnersStory> {
  const [all = fc.sample(steps, { numRuns: 1, seed: 1 })[0] ?? []] = args;
  stories += 1;
  const story = tellOwnersStory(`owners ${stories}`, all);
  await bed.clear();
  await bed.ingestion.ingest(story.journal.messages);
  return story;
}

function eventsOf({ journal }: OwnersStory): { event: WalletEvent; head: Buffer }[] {
  return journal.messages.map(({ bytes }) => {
    return { event: fromBinary(WalletEventSchema, bytes), head: sha256(bytes) };
  });
}

/** Everything that is somebody else's business, as it would stand in an answer. */
function secretsOf(story: OwnersStory, userId: string): Set<string> {
  const secrets = new Set<string>();
  for (const { event, head } of eventsOf(story)) {
    const { requestId, actor, kind, changes } = event;
    secrets.add(head.toString("latin1"));
    for (const change of changes) {
      if (change.userId === userId) continue;
      secrets.add(change.userId).add(asField(change.balance)).add(asField(change.held));
    }
    if (actor?.subject === userId) continue;
    secrets.add(requestId);
    if (actor) secrets.add(actor.subject).add(actor.client);
    if (kind.case === "walletStatusChanged") secrets.add(kind.value.reason);
    if (kind.case !== "transactionPosted") continue;
    secrets.add(kind.value.exchange?.quoteId ?? "");
    const { hold } = kind.value;
    if (hold && story.wallets.get(hold.walletId) !== userId) secrets.add(hold.id);
  }
  for (const empty of ["", asField("0.0000")]) secrets.delete(empty);
  return secrets;
}

/** An amount as it is encoded, with its length in front: it may be the end of another one. */
function asField(amount: string): string {
  return String.fromCharCode(amount.length) + amount;
}

/** What a user is told of his wallets, encoded. */
async function entriesToldTo(userId: string, { wallets, journal }: OwnersStory): Promise<string[]> {
  const told: Uint8Array[] = [];
  const options = by(userId);
  for (const [walletId, owner] of wallets) {
    if (owner !== userId) continue;
    const listed = await history.listEntries({ walletId, pageSize: 1_000 }, options);
    told.push(toBinary(ListEntriesResponseSchema, listed));
    const balance = await history.getBalanceAt({ walletId }, options);
    told.push(toBinary(GetBalanceAtResponseSchema, balance));
    for await (const part of history.getStatement({ walletId, ...period }, options)) {
      told.push(toBinary(GetStatementResponseSchema, part));
    }
    const last = journal.wallets.get(walletId)?.version;
    for await (const entry of history.watchWallet({ walletId }, options)) {
      told.push(toBinary(WatchWalletResponseSchema, entry));
      if (entry.entry?.version === last) break;
    }
  }
  return told.map((bytes) => Buffer.from(bytes).toString("latin1"));
}

test("nothing that an owner is told has anything of somebody else's in it", async () => {
  const property = fc.asyncProperty(steps, async (all) => {
    const story = await happen(all);
    for (const userId of story.users) {
      const secrets = [...secretsOf(story, userId)];
      const leaked = (text: string): string[] => secrets.filter((each) => text.includes(each));
      const foreign = [...story.wallets].filter(([, owner]) => owner !== userId);
      for (const text of await entriesToldTo(userId, story)) {
        expect(leaked(text)).toEqual([]);
        expect(foreign.filter(([walletId]) => text.includes(walletId))).toEqual([]);
      }
      for (const { event } of eventsOf(story)) {
        const { transactionId, changes } = event;
        const call = history.getTransaction({ transactionId }, by(userId));
        if (changes.every((change) => change.userId !== userId)) {
          await expect(call).rejects.toThrow("Transaction not found");
          continue;
        }
        const text = toBinary(GetTransactionResponseSchema, await call);
        expect(leaked(Buffer.from(text).toString("latin1"))).toEqual([]);
      }
    }
  });
  await fc.assert(property, { numRuns: 4 });
});

type Call = (id: string, options: CallOptions) => Promise<unknown>;

const list: Call = (walletId, options) => history.listEntries({ walletId }, options);
const calls: Record<string, Call> = {
  ListEntries: list,
  GetBalanceAt: (walletId, options) => history.getBalanceAt({ walletId }, options),
  GetStatement: async (walletId, options) => {
    for await (const _ of history.getStatement({ walletId, ...period }, options)) break;
  },
  GetTransaction: (transactionId, options) => history.getTransaction({ transactionId }, options),
};

/** All that an error tells, but for the id asked for. */
async function refusalOf(call: Call, id: string, options: CallOptions): Promise<string> {
  const error = await call(id, options).then(() => expect.fail(), ConnectError.from);
  const { code, rawMessage } = error;
  const details = error.findDetails(ErrorInfoSchema);
  const told = { code, rawMessage, details, metadata: [...error.metadata] };
  return JSON.stringify(told).replaceAll(id, "the id");
}

test.for(Object.entries(calls))(
  "%s answers what is somebody else's like what does not exist, and the log tells of both",
  async ([name, call]) => {
    const story = await happen();
    const [userId = "", other = ""] = story.users;
    const [foreignWallet = ""] = [...story.wallets].find(([, owner]) => owner === other) ?? [];
    const foreign = eventsOf(story).find(({ event: { changes } }) =>
      changes.every(({ walletId }) => walletId === foreignWallet),
    );
    const id = name === "GetTransaction" ? foreign?.event.transactionId : foreignWallet;
    const missing = uuidOf("nobody's");
    logged.length = 0;
    const told = await refusalOf(call, id ?? "", by(userId));
    expect(told).toBe(await refusalOf(call, missing, by(userId)));
    expect(told).toContain("NOT_FOUND");
    const lines = [id, missing].map((asked) => logged.find((line) => line.includes(asked ?? "")));
    for (const line of lines) {
      expect(JSON.parse(line ?? "")).toMatchObject({
        rpc: `pelikuni.history.v1.HistoryService/${name}`,
        issuer,
        subject: userId,
        client: uuidOf(`client of ${userId}`),
      });
    }
  },
);

test("somebody else's wallet is watched like one that never comes into being", async () => {
  const story = await happen([]);
  const { journal, users, wallets } = story;
  const [userId = ""] = users;
  const own = [...wallets].find(([, owner]) => owner === userId)?.[0] ?? "";
  const foreign = [...wallets].find(([, owner]) => owner !== userId)?.[0] ?? "";
  const caller = new AbortController();
  const options = { ...by(userId), signal: caller.signal };
  const watch = (walletId: string, fromVersion = 0n): AsyncIterator<WatchWalletResponse> =>
    history.watchWallet({ walletId, fromVersion }, options)[Symbol.asyncIterator]();
  logged.length = 0;
  const silent = [watch(foreign), watch(foreign, 2n), watch(uuidOf("nobody's"))];
  const ended = silent.map((watched) => watched.next().then(() => "an entry", codeOf));
  // What has been told of is being watched.
  await expect.poll(() => logged.some((line) => line.includes(foreign))).toBe(true);
  const mine = watch(own, 2n);
  journal.transfer(own, foreign, 10_000n);
  await bed.ingestion.ingest(journal.messages);
  expect((await mine.next()).value).toMatchObject({ entry: { walletId: own, version: 2n } });
  journal.transfer(foreign, own, 10_000n);
  await bed.ingestion.ingest(journal.messages);
  expect((await mine.next()).value).toMatchObject({ entry: { walletId: own, version: 3n } });
  caller.abort();
  expect(await Promise.all(ended)).toEqual(silent.map(() => Code.Canceled));
});

function codeOf(error: unknown): Code {
  return ConnectError.from(error).code;
}

test("an owner who names a position waits for a wallet that history does not know yet", async () => {
  const { journal, users } = await happen([]);
  // The other one has seen more positions than there are now.
  await using fresh = await serveHistory(bed);
  const asked = createClient(HistoryService, fresh.transport);
  const [userId = ""] = users;
  const walletId = journal.createWallet("USD", userId);
  const minPosition = BigInt(journal.messages.length);
  expect(await refusalOf(list, walletId, by(userId))).toContain("WALLET_NOT_FOUND");
  const listed = asked.listEntries({ walletId, minPosition }, by(userId));
  await bed.ingestion.ingest(journal.messages);
  expect((await listed).entries).toMatchObject([{ walletId, userId, version: 0n }]);
});

test("who may read history sees everything, with the bytes", async () => {
  const story = await happen();
  const [userId = ""] = story.users;
  const reader = by(userId, ["history:read"]);
  for (const [walletId] of story.wallets) {
    const { entries } = await history.listEntries({ walletId }, reader);
    for (const entry of entries) expect(entry.head).toHaveLength(32);
    expect(entries.some(({ actor }) => actor?.subject === uuidOf("operator"))).toBe(true);
  }
  for (const { event, head } of eventsOf(story)) {
    const { transactionId } = event;
    const shown = await history.getTransaction({ transactionId }, reader);
    expect(sha256(shown.eventBytes)).toEqual(head);
    expect(sha256(toBinary(WalletEventSchema, shown.event ?? expect.fail()))).toEqual(head);
  }
});
