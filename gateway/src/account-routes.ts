import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { Direction, HistoryService } from "@pelikuni/gen/history/v1/history_service_pb";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import * as rest from "./account-schema.ts";
import { accountEntryBody } from "./history-mapping.ts";
import { completeToHeader, periodOf, positionOf } from "./history-routes.ts";
import type { RestServer } from "./http-server.ts";
import { pageOf } from "./request-mapping.ts";
import { RestRefusal } from "./rest-errors.ts";
import { parseInstant } from "./rest-instants.ts";
import { nextPageHeaders } from "./rest-mapping.ts";
import type { CallRpc } from "./rpc-calls.ts";

const wallets = WalletService.method;
const history = HistoryService.method;

/** Currencies, and accounts outside the wallets with what they add up to. */
export function registerAccountRoutes(
  app: RestServer,
  call: { readonly wallets: CallRpc; readonly history: CallRpc },
): void {
  app.get("/currencies", { schema: rest.listCurrencies }, async (_request, reply) => {
    const { currencies } = await call.wallets(reply, wallets.listCurrencies, {});
    return currencies.map(({ code, decimals, transferAmountMax: max }) => {
      return max === "" ? { code, decimals } : { code, decimals, transfer_amount_max: max };
    });
  });

  app.get("/accounts", { schema: rest.listAccounts }, async (_request, reply) => {
    const { accounts } = await call.wallets(reply, wallets.listAccounts, {});
    return accounts.map((name) => ({ name }));
  });

  const total = { schema: rest.getAccountTotal };
  app.get("/accounts/:account/total", total, async ({ params, query }, reply) => {
    const { account } = params;
    const { currency } = query;
    const answer = await call.history(reply, history.getAccountTotal, {
      account,
      currency,
      ...whenOf(query),
      minPosition: positionOf(query),
    });
    reply.headers(completeToHeader(answer.completeTo));
    const { total, totalIn, totalOut } = answer;
    return { account, currency, total, total_in: totalIn, total_out: totalOut };
  });

  const entries = { schema: rest.listAccountEntries };
  app.get("/accounts/:account/entries", entries, async ({ params, query }, reply) => {
    const page = pageOf(query, rest.accountEntriesDefault);
    const answer = await call.history(reply, history.listAccountEntries, {
      account: params.account,
      currency: query.currency ?? "",
      ...periodOf(query),
      direction: query.direction === "oldest" ? Direction.OLDEST_FIRST : Direction.NEWEST_FIRST,
      ...page,
      minPosition: positionOf(query),
    });
    const again = { ...query, page_size: String(page.pageSize) };
    const path = `/accounts/${encodeURIComponent(params.account)}/entries`;
    reply.headers(nextPageHeaders(path, again, answer.nextPageToken));
    reply.headers(completeToHeader(answer.completeTo));
    return answer.entries.map(accountEntryBody);
  });
}

type When =
  | { readonly case: "at"; readonly value: Timestamp }
  | { readonly case: "position"; readonly value: bigint };

function whenOf({ at, position }: { readonly at?: string; readonly position?: string }): {
  when?: When;
} {
  if (at !== undefined && position !== undefined) {
    throw RestRefusal.ofField("position", "must not stand beside at");
  }
  if (at !== undefined) return { when: { case: "at", value: parseInstant("at", at) } };
  if (position === undefined) return {};
  return { when: { case: "position", value: BigInt(position) } };
}
