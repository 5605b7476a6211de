import { Readable } from "node:stream";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Direction, HistoryService } from "@pelikuni/gen/history/v1/history_service_pb";
import { balanceBody, entryBody, transactionBody } from "./history-mapping.ts";
import * as rest from "./history-schema.ts";
import type { RestServer } from "./http-server.ts";
import { parseInstant } from "./rest-instants.ts";
import { nextPageHeaders } from "./rest-mapping.ts";
import type { CallRpc } from "./rpc-calls.ts";
import type { StreamRpc } from "./rpc-streams.ts";
import { prefersCsv } from "./statement-format.ts";
import { statementCsv, statementJson } from "./statement-text.ts";

const rpc = HistoryService.method;

/** What happened, and what was when. */
export function registerHistoryRoutes(app: RestServer, call: CallRpc, stream: StreamRpc): void {
  app.get("/wallets/:id/history", { schema: rest.listHistory }, async (request, reply) => {
    const { params, query } = request;
    const pageSize = query.page_size ?? rest.entriesDefault;
    const { entries, nextPageToken, completeTo } = await call(reply, rpc.listEntries, {
      walletId: params.id,
      ...periodOf(query),
      kinds: query.kind?.split(",") ?? [],
      direction: query.direction === "oldest" ? Direction.OLDEST_FIRST : Direction.NEWEST_FIRST,
      pageSize,
      pageToken: query.page_token ?? "",
      minPosition: positionOf(query),
    });
    const again = { ...query, page_size: String(pageSize) };
    reply.headers(nextPageHeaders(`/wallets/${params.id}/history`, again, nextPageToken));
    reply.headers(completeToHeader(completeTo));
    return entries.map(entryBody);
  });

  app.get("/wallets/:id/balance", { schema: rest.getBalance }, async (request, reply) => {
    const { params, query } = request;
    const { entry, completeTo } = await call(reply, rpc.getBalanceAt, {
      walletId: params.id,
      ...(query.at === undefined ? {} : { at: parseInstant("at", query.at) }),
      minPosition: positionOf(query),
    });
    reply.headers(completeToHeader(completeTo));
    return balanceBody(entry);
  });

  app.get("/wallets/:id/statement", { schema: rest.getStatement }, async (request, reply) => {
    const { params, query, headers } = request;
    const walletId = params.id;
    const period = periodOf(query);
    // Waits within the deadline, which a stream of any length cannot have.
    const minPosition = positionOf(query);
    const { completeTo } = await call(reply, rpc.getBalanceAt, { walletId, minPosition });
    const asked = { walletId, ...period, minPosition: completeTo };
    const parts = await stream(reply, rpc.getStatement, asked);
    const asCsv = prefersCsv(query.format, headers.accept);
    reply.headers({ ...completeToHeader(completeTo), Vary: "Accept" });
    reply.headers(asCsv ? csvHeaders(walletId) : jsonHeaders);
    if (request.method === "HEAD") {
      await endStream(parts);
      return reply.send(Readable.from([]));
    }
    return reply.send(Readable.from(asCsv ? statementCsv(parts) : statementJson(parts)));
  });

  app.get(
    "/transactions/:transaction_id",
    { schema: rest.getTransaction },
    async ({ params, query }, reply) => {
      const asked = { transactionId: params.transaction_id, minPosition: positionOf(query) };
      return transactionBody(await call(reply, rpc.getTransaction, asked));
    },
  );
}

const jsonHeaders = { "Content-Type": "application/json; charset=utf-8" };

function csvHeaders(walletId: string): Record<string, string> {
  return {
    "Content-Type": "text/csv; charset=utf-8; header=present",
    "Content-Disposition": `attachment; filename="statement-${walletId}.csv"`,
  };
}

/** Cancels a stream whose first message is there: with it the status is known. */
async function endStream(parts: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of parts) break;
}

export function periodOf({ from, to }: { from?: string; to?: string }): {
  from?: Timestamp;
  to?: Timestamp;
} {
  return {
    ...(from === undefined ? {} : { from: parseInstant("from", from) }),
    ...(to === undefined ? {} : { to: parseInstant("to", to) }),
  };
}

export function positionOf({ min_position }: { readonly min_position?: string }): bigint {
  return BigInt(min_position ?? 0);
}

export function completeToHeader(completeTo: bigint): Record<string, string> {
  return { "History-Complete-To": completeTo.toString() };
}
