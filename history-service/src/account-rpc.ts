import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { Direction, type HistoryService } from "@pelikuni/gen/history/v1/history_service_pb";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { listAccountEntries, readAccountTotal } from "./account-store.ts";
import { orUnavailable } from "./history-errors.ts";
import { accountEntryMessage } from "./history-messages.ts";
import { lastMsUntil, periodOf } from "./instants.ts";
import { nextToken, pageStart } from "./page-token.ts";

type AccountRpc = Pick<
  ServiceImpl<typeof HistoryService>,
  "getAccountTotal" | "listAccountEntries"
>;

/** What the handlers of accounts work with. */
export interface AccountRpcParts {
  readonly pool: DatabaseClient;
  /** Waits until history is complete to a position; gives the position that it is complete to. */
  readonly completeTo: (minPosition: bigint, context: HandlerContext) => Promise<bigint>;
}

const pageSizeDefault = 100;

/** The handlers that answer for accounts outside the wallets. */
export function accountRpc({ pool, completeTo }: AccountRpcParts): AccountRpc {
  return {
    async getAccountTotal({ account, currency, when, minPosition }, context) {
      const position = when.case === "position" ? when.value : undefined;
      const least = position !== undefined && position > minPosition ? position : minPosition;
      const at = when.case === "at" ? lastMsUntil("at", when.value) : undefined;
      const reached = await completeTo(least, context);
      const question = { account, currency, upTo: position ?? reached, at };
      const total = await orUnavailable(pool.read((sql) => readAccountTotal(sql, question)));
      return { ...total, completeTo: reached };
    },

    async listAccountEntries({ account, pageSize, pageToken, ...request }, context) {
      const order = request.direction === Direction.OLDEST_FIRST ? "ascending" : "descending";
      const list = `account${order}`;
      const [position, legIndex] = pageStart(list, pageToken, 2) ?? [];
      const behind =
        position === undefined || legIndex === undefined ? undefined : { position, legIndex };
      const period = periodOf(request);
      const to = await completeTo(request.minPosition, context);
      const currency = request.currency === "" ? undefined : request.currency;
      const filter = { account, currency, completeTo: to, ...period };
      const limit = pageSize || pageSizeDefault;
      // One more than asked for tells whether there is a next page.
      const page = { order, behind, limit: limit + 1 } as const;
      const entries = await orUnavailable(
        pool.read((sql) => listAccountEntries(sql, filter, page)),
      );
      const shown = entries.slice(0, limit);
      const last = shown.at(-1);
      const place = last && [last.position, BigInt(last.legIndex)];
      return {
        entries: shown.map(accountEntryMessage),
        nextPageToken: nextToken(list, entries.length > limit, place),
        completeTo: to,
      };
    },
  };
}
