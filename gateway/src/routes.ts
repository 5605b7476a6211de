import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import type { RestServer } from "./http-server.ts";
import {
  amountText,
  expectedVersion,
  matchesTag,
  nextPageHeaders,
  receiptHeaders,
  walletBody,
  walletTag,
} from "./rest-mapping.ts";
import * as rest from "./rest-schema.ts";
import type { CallRpc } from "./rpc-calls.ts";

const rpc = WalletService.method;

/** The REST surface of wallets: method, path, RPC, what is asked of it and what is answered. */
export function registerRoutes(app: RestServer, call: CallRpc): void {
  app.post("/wallets", { schema: rest.createWallet }, async ({ body, headers }, reply) => {
    const { receipt, wallet } = await call(reply, rpc.createWallet, {
      userId: body.user_id,
      currency: body.currency ?? "",
      requestId: headers["idempotency-key"] ?? "",
    });
    const location = { Location: `/wallets/${wallet?.id}`, ETag: walletTag(wallet) };
    reply.code(201).headers(location).headers(receiptHeaders(receipt));
    return walletBody(wallet);
  });

  app.get("/wallets/:id", { schema: rest.getWallet }, async ({ params, headers }, reply) => {
    const { wallet } = await call(reply, rpc.getWallet, { walletId: params.id });
    const tag = walletTag(wallet);
    reply.headers({ ETag: tag, "Cache-Control": "no-cache" });
    return matchesTag(headers["if-none-match"], tag) ? reply.code(304).send() : walletBody(wallet);
  });

  app.get("/wallets", { schema: rest.listWallets }, async ({ query }, reply) => {
    const page = pageOf(query);
    const { wallets, nextPageToken } = await call(reply, rpc.listWallets, page);
    reply.headers(nextPageHeaders("/wallets", sizeOf(page), nextPageToken));
    return wallets.map(walletBody);
  });

  app.get(
    "/users/:user_id/wallets",
    { schema: rest.listUserWallets },
    async ({ params, query }, reply) => {
      const page = pageOf(query);
      const input = { userId: params.user_id, ...page };
      const { wallets, nextPageToken } = await call(reply, rpc.listWallets, input);
      const path = `/users/${encodeURIComponent(params.user_id)}/wallets`;
      reply.headers(nextPageHeaders(path, sizeOf(page), nextPageToken));
      return wallets.map(walletBody);
    },
  );

  app.post("/wallets/:id/fund", { schema: rest.fundWallet }, async (request, reply) => {
    const { receipt, wallet } = await call(reply, rpc.fundWallet, {
      walletId: request.params.id,
      amount: amountText(request.body.amount),
      ...conditions(request.headers),
    });
    reply.header("ETag", walletTag(wallet)).headers(receiptHeaders(receipt));
    return walletBody(wallet);
  });

  app.post("/wallets/:id/transfer", { schema: rest.transfer }, async (request, reply) => {
    const { receipt, toWallet } = await call(reply, rpc.transfer, {
      fromWalletId: request.params.id,
      toWalletId: request.body.to_wallet_id,
      amount: amountText(request.body.amount),
      ...conditions(request.headers),
    });
    reply.headers(receiptHeaders(receipt));
    return walletBody(toWallet);
  });

  app.get("/health", { schema: rest.health }, () => ({ status: "ok" }) as const);
}

interface PageQuery {
  readonly page_size?: number;
  readonly page_token?: string;
}

function pageOf(query: PageQuery): { pageSize: number; pageToken: string } {
  return { pageSize: query.page_size ?? rest.pageSizeMax, pageToken: query.page_token ?? "" };
}

function sizeOf({ pageSize }: { readonly pageSize: number }): { page_size: string } {
  return { page_size: String(pageSize) };
}

interface ConditionHeaders {
  readonly "idempotency-key"?: string;
  readonly "if-match"?: string;
}

function conditions(headers: ConditionHeaders): { requestId: string; expectedVersion?: bigint } {
  const version = expectedVersion(headers["if-match"]);
  const requestId = headers["idempotency-key"] ?? "";
  return version === undefined ? { requestId } : { requestId, expectedVersion: version };
}
