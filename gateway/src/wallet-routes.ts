import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import type { RestServer } from "./http-server.ts";
import { longBodyBytesMax } from "./mutation-parts.ts";
import { amountText, conditions, detailsOf, pageOf } from "./request-mapping.ts";
import {
  changedWallet,
  matchesTag,
  nextPageHeaders,
  receiptHeaders,
  walletBody,
  walletTag,
  walletTagHeader,
  wholeWalletBody,
} from "./rest-mapping.ts";
import type { CallRpc } from "./rpc-calls.ts";
import * as rest from "./wallet-schema.ts";

const rpc = WalletService.method;

/** Wallets, and money from, to and between them. */
export function registerWalletRoutes(app: RestServer, call: CallRpc): void {
  app.post("/wallets", { schema: rest.createWallet }, async ({ body, headers }, reply) => {
    const { receipt, wallet } = await call(reply, rpc.createWallet, {
      userId: body.user_id,
      currency: body.currency ?? "",
      requestId: headers["idempotency-key"] ?? "",
      ...detailsOf(body),
    });
    const location = { Location: `/wallets/${wallet?.id}`, ...walletTagHeader(wallet) };
    reply.code(201).headers(location).headers(receiptHeaders(receipt));
    return walletBody(wallet);
  });

  app.get("/wallets/:id", { schema: rest.getWallet }, async ({ params, headers }, reply) => {
    const answer = await call(reply, rpc.getWallet, { walletId: params.id });
    const tag = walletTag(answer.wallet);
    reply.headers({ ETag: tag, "Cache-Control": "no-cache" });
    const isKnown = matchesTag(headers["if-none-match"], tag);
    return isKnown ? reply.code(304).send() : wholeWalletBody(answer);
  });

  app.get("/wallets", { schema: rest.listWallets }, async ({ query }, reply) => {
    const page = pageOf(query, rest.walletsDefault);
    const { wallets, nextPageToken } = await call(reply, rpc.listWallets, page);
    reply.headers(nextPageHeaders("/wallets", sizeOf(page), nextPageToken));
    return wallets.map(walletBody);
  });

  app.get(
    "/users/:user_id/wallets",
    { schema: rest.listUserWallets },
    async ({ params, query }, reply) => {
      const page = pageOf(query, rest.walletsDefault);
      const input = { userId: params.user_id, ...page };
      const { wallets, nextPageToken } = await call(reply, rpc.listWallets, input);
      const path = `/users/${encodeURIComponent(params.user_id)}/wallets`;
      reply.headers(nextPageHeaders(path, sizeOf(page), nextPageToken));
      return wallets.map(walletBody);
    },
  );

  app.post("/wallets/:id/fund", { schema: rest.fundWallet }, async (request, reply) => {
    const answer = await call(reply, rpc.fundWallet, {
      walletId: request.params.id,
      amount: amountText(request.body.amount),
      source: request.body.source ?? "",
      ...conditions(request.headers),
      ...detailsOf(request.body),
    });
    return changedWallet(reply, answer);
  });

  app.post("/wallets/:id/transfer", { schema: rest.transfer }, async (request, reply) => {
    const { receipt, toWallet } = await call(reply, rpc.transfer, {
      fromWalletId: request.params.id,
      toWalletId: request.body.to_wallet_id,
      amount: amountText(request.body.amount),
      ...conditions(request.headers),
      ...detailsOf(request.body),
    });
    reply.headers(receiptHeaders(receipt));
    return walletBody(toWallet);
  });

  const withdraw = { schema: rest.withdraw, bodyLimit: longBodyBytesMax };
  app.post("/wallets/:id/withdraw", withdraw, async (request, reply) => {
    const answer = await call(reply, rpc.withdraw, {
      walletId: request.params.id,
      amount: amountText(request.body.amount),
      destination: request.body.destination ?? "",
      ...conditions(request.headers),
      ...detailsOf(request.body),
    });
    return changedWallet(reply, answer);
  });
}

function sizeOf({ pageSize }: { readonly pageSize: number }): { page_size: string } {
  return { page_size: String(pageSize) };
}
