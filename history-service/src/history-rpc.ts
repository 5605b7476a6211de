import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Client, HandlerContext, ServiceImpl } from "@connectrpc/connect";
import {
  Direction,
  type EntrySchema,
  type HistoryService,
} from "@pelikuni/gen/history/v1/history_service_pb";
import type { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { waitOutsideTurn } from "@pelikuni/runtime/access/caller-turn";
import type { PositionTail } from "@pelikuni/runtime/position-tail";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { invalidFields } from "@pelikuni/runtime/rpc-validation";
import { accountRpc } from "./account-rpc.ts";
import { readCompleteness } from "./completeness.ts";
import { findLatestEntry, listEntries, type StoredEntry } from "./entry-store.ts";
import type { EventIngestion } from "./event-ingestion.ts";
import { orUnavailable, orUnavailableStream, refusalError } from "./history-errors.ts";
import {
  entryMessage,
  parkedMessage,
  progressMessage,
  reconcileMessage,
  statementMessage,
  verificationMessage,
} from "./history-messages.ts";
import { lastMsUntil, periodOf } from "./instants.ts";
import type { JournalReader } from "./journal-reader.ts";
import { verifyJournal } from "./journal-verification.ts";
import { awaitComplete, type CallerPatience } from "./min-position.ts";
import type { OwnerAccess } from "./owner-access.ts";
import { entryOfOwner } from "./owner-view.ts";
import { nextToken, pageStart } from "./page-token.ts";
import { replayParkedEvent } from "./parked-event-replay.ts";
import { listParked } from "./parked-event-store.ts";
import { reconcile } from "./reconciliation.ts";
import { awaitSegmentEnd } from "./segment-end.ts";
import type { SourceHealth } from "./source-health.ts";
import { makeStatement } from "./statement.ts";
import { readTransaction } from "./transaction-read.ts";
import { verifyWallet } from "./wallet-verification.ts";
import { watchWallet } from "./wallet-watch.ts";
import type { WalletWatchers } from "./wallet-watchers.ts";

/** What the handlers work with. */
export interface HistoryRpcParts {
  readonly pool: DatabaseClient;
  readonly tail: PositionTail;
  readonly watchers: WalletWatchers;
  readonly access: OwnerAccess;
  readonly ingestion: EventIngestion;
  /** Where the wallet-service's journal ends. */
  readonly journal: JournalReader;
  readonly source: SourceHealth;
  /** For reconciliation. */
  readonly wallets: Client<typeof WalletService>;
  /** The wall clock, milliseconds since 1970. */
  readonly now: () => number;
}

const pageSizeDefault = 100;
const findingsSentMax = 100;
const reconcileWaitMsMax = 30_000;
// The end of a segment arrives with its other events, or soon after them.
const segmentEndWaitMs = 3_000;

/** The handlers of HistoryService. Requests have passed the contract's rules when they get here. */
export function historyRpc(parts: HistoryRpcParts): ServiceImpl<typeof HistoryService> {
  const { pool, tail, access } = parts;

  /** Awaits positions; the caller's other calls need not wait for them as well. */
  function tailOf(context: HandlerContext): Pick<PositionTail, "waitFor"> {
    return {
      waitFor: (position, patience) =>
        waitOutsideTurn(context, () => tail.waitFor(position, patience)),
    };
  }

  function completeTo(minPosition: bigint, context: HandlerContext): Promise<bigint> {
    return orUnavailable(awaitComplete(pool, tailOf(context), minPosition, patienceOf(context)));
  }

  function segmentEnd(position: bigint, context: HandlerContext): Promise<bigint> {
    const ending = {
      pool,
      tail: tailOf(context),
      waitMs: segmentEndWaitMs,
      signal: context.signal,
    };
    return orUnavailable(awaitSegmentEnd(ending, position));
  }

  /** How the caller sees an entry: whole, or as the owner of the wallet. */
  function entryView(
    context: HandlerContext,
  ): (entry: StoredEntry) => MessageInitShape<typeof EntrySchema> {
    const owner = access.ownerOf(context);
    return (entry) => entryMessage(owner === undefined ? entry : entryOfOwner(entry, owner));
  }

  return {
    async listEntries({ pageSize, pageToken, kinds, ...request }, context) {
      const to = await completeTo(request.minPosition, context);
      const descending = request.direction !== Direction.OLDEST_FIRST;
      const order = descending ? "descending" : "ascending";
      const limit = pageSize || pageSizeDefault;
      const walletId = request.walletId.toLowerCase();
      await access.assertReadable(walletId, context);
      const filter = { walletId, completeTo: to, kinds, ...periodOf(request) };
      // One more than asked for tells whether there is a next page.
      const [behind] = pageStart(order, pageToken, 1) ?? [];
      const page = { order, behind, limit: limit + 1 } as const;
      const entries = await orUnavailable(pool.read((sql) => listEntries(sql, filter, page)));
      const shown = entries.slice(0, limit);
      const last = shown.at(-1);
      if (last === undefined) await assertKnown(parts, walletId, to);
      return {
        entries: shown.map(entryView(context)),
        nextPageToken: nextToken(order, entries.length > limit, last && [last.version]),
        completeTo: to,
      };
    },

    async getTransaction({ transactionId, minPosition }, context) {
      await completeTo(minPosition, context);
      const owner = access.ownerOf(context);
      const found = await orUnavailable(readTransaction(pool, transactionId.toLowerCase(), owner));
      if (found !== undefined) return found;
      access.noteRefusal(context, { transactionId });
      throw refusalError({ reason: "TRANSACTION_NOT_FOUND", transactionId });
    },

    async getBalanceAt({ walletId, at, minPosition }, context) {
      const to = await completeTo(minPosition, context);
      const until = at && { at: lastMsUntil("at", at) };
      const id = walletId.toLowerCase();
      await access.assertReadable(id, context);
      const entry = await orUnavailable(pool.read((sql) => findLatestEntry(sql, id, to, until)));
      if (entry === undefined) throw refusalError({ reason: "WALLET_NOT_FOUND", walletId });
      return { entry: entryView(context)(entry), completeTo: to };
    },

    async *getStatement(request, context) {
      const { from, to } = periodOf(request);
      if (from === undefined || to === undefined) throw new Error("The contract requires both.");
      if (from >= to)
        throw invalidFields([{ field: "to", description: "must be later than from" }]);
      const walletId = request.walletId.toLowerCase();
      const period = {
        walletId,
        from,
        to,
        completeTo: await completeTo(request.minPosition, context),
      };
      await access.assertReadable(walletId, context);
      const show = entryView(context);
      for await (const part of orUnavailableStream(makeStatement(pool, period))) {
        yield statementMessage(part, period, show);
      }
    },

    async *watchWallet({ walletId, fromVersion }, context) {
      const { signal } = context;
      const id = walletId.toLowerCase();
      const owner = access.ownerOf(context);
      const watched = {
        walletId: id,
        userId: owner?.userId,
        onForeign: () => access.noteRefusal(context, { walletId: id }),
      };
      const show = entryView(context);
      const entries = watchWallet(parts, watched, fromVersion, signal);
      for await (const entry of orUnavailableStream(entries)) yield { entry: show(entry) };
    },

    async verifyWallet({ walletId, minPosition }, context) {
      const to = await segmentEnd(await completeTo(minPosition, context), context);
      const { signal } = context;
      const wallet = { walletId: walletId.toLowerCase(), completeTo: to, signal };
      const result = await orUnavailable(verifyWallet(pool, wallet));
      if (result === undefined) throw refusalError({ reason: "WALLET_NOT_FOUND", walletId });
      return verificationMessage(result);
    },

    async *verifyJournal({ fromPosition, toPosition }, context) {
      const complete = await completeTo(0n, context);
      const toEnd = toPosition === 0n || toPosition >= complete;
      const to = await segmentEnd(toEnd ? complete : toPosition, context);
      const range = { from: fromPosition || 1n, to, toEnd };
      let count = 0n;
      let last = progressMessage({ verifiedTo: 0n, journalHash: undefined, hashPosition: 0n });
      for await (const progress of orUnavailableStream(verifyJournal(pool, range))) {
        const { findings } = progress;
        last = progressMessage(progress);
        for (const finding of findings) {
          count += 1n;
          if (count <= findingsSentMax) yield { ...last, finding, findingCount: count };
        }
        yield { ...last, findingCount: count };
      }
      yield { ...last, done: true, findingCount: count };
    },

    async getCompleteness() {
      return await orUnavailable(readCompleteness(parts));
    },

    async *reconcile(_, context) {
      const patience = {
        signal: context.signal,
        timeoutMs: () => Math.min(context.timeoutMs() ?? reconcileWaitMsMax, reconcileWaitMsMax),
      };
      const untilComplete = async (position: bigint): Promise<void> => {
        await awaitComplete(pool, tail, position, patience);
      };
      const { wallets } = parts;
      const { signal } = context;
      const parted = reconcile({ wallets, pool, untilComplete, signal });
      for await (const part of orUnavailableStream(parted)) yield reconcileMessage(part);
    },

    async listParkedEvents({ pageSize, pageToken }) {
      const limit = pageSize || pageSizeDefault;
      const [behind = 0n] = pageStart("parked", pageToken, 1) ?? [];
      const page = await orUnavailable(pool.read((sql) => listParked(sql, behind, limit)));
      const last = page.shown.at(-1);
      return {
        parkedEvents: page.shown.map(parkedMessage),
        nextPageToken: nextToken("parked", page.hasMore, last && [last.id]),
      };
    },

    async replayParkedEvent({ id }) {
      const result = await orUnavailable(replayParkedEvent(parts, id));
      if (result.outcome === "unknown")
        throw refusalError({ reason: "PARKED_EVENT_NOT_FOUND", id });
      const reason = result.outcome === "refused" ? result.reason : "";
      return { replayed: result.outcome === "replayed", reason };
    },

    ...accountRpc({ pool, completeTo }),
  };
}

/** An empty page of a wallet that history does not know is not an empty page. */
async function assertKnown(
  { pool }: HistoryRpcParts,
  walletId: string,
  completeTo: bigint,
): Promise<void> {
  const entry = await orUnavailable(pool.read((sql) => findLatestEntry(sql, walletId, completeTo)));
  if (entry === undefined) throw refusalError({ reason: "WALLET_NOT_FOUND", walletId });
}

function patienceOf(context: HandlerContext): CallerPatience {
  return { signal: context.signal, timeoutMs: () => context.timeoutMs() };
}
