import { FreezeScope, WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import type { RestServer } from "./http-server.ts";
import { longBodyBytesMax } from "./mutation-parts.ts";
import { amountText, conditions, detailsOf, sideOf } from "./request-mapping.ts";
import { changedWallet, receiptHeaders, walletTagHeader, wholeWalletBody } from "./rest-mapping.ts";
import type { CallRpc } from "./rpc-calls.ts";
import * as rest from "./wallet-life-schema.ts";

const rpc = WalletService.method;
const limits = { bodyLimit: longBodyBytesMax };

/** What a wallet goes through besides movements of money. */
export function registerWalletLifeRoutes(app: RestServer, call: CallRpc): void {
  const update = { schema: rest.updateWallet, ...limits };
  app.patch("/wallets/:id", update, async ({ params, body, headers }, reply) => {
    const { reference = "", description = "" } = body;
    const answer = await call(reply, rpc.updateWallet, {
      walletId: params.id,
      ...settingsOf(body),
      ...conditions(headers),
      ...detailsOf({ reference, description }),
    });
    reply.headers(walletTagHeader(answer.wallet)).headers(receiptHeaders(answer.receipt));
    return wholeWalletBody(answer);
  });

  const freeze = { schema: rest.freezeWallet, ...limits };
  app.post("/wallets/:id/freeze", freeze, async ({ params, body, headers }, reply) => {
    const answer = await call(reply, rpc.freezeWallet, {
      walletId: params.id,
      scope: body.scope === "OUTGOING" ? FreezeScope.OUTGOING : FreezeScope.ALL,
      reason: body.reason ?? "",
      ...conditions(headers),
      ...detailsOf(body),
    });
    return changedWallet(reply, answer);
  });

  const unfreeze = { schema: rest.unfreezeWallet, ...limits };
  app.post("/wallets/:id/unfreeze", unfreeze, async ({ params, body, headers }, reply) => {
    const answer = await call(reply, rpc.unfreezeWallet, {
      walletId: params.id,
      reason: body.reason ?? "",
      ...conditions(headers),
      ...detailsOf(body),
    });
    return changedWallet(reply, answer);
  });

  const close = { schema: rest.closeWallet, ...limits };
  app.post("/wallets/:id/close", close, async ({ params, body, headers }, reply) => {
    const { sweep_to, reason = "" } = body;
    const { receipt, wallets } = await call(reply, rpc.closeWallet, {
      walletId: params.id,
      ...(sweep_to && { sweepTo: sideOf(sweep_to, "sweep_to") }),
      reason,
      ...conditions(headers),
      ...detailsOf(body),
    });
    return changedWallet(reply, { receipt, wallet: wallets[0] });
  });
}

interface SettingsBody {
  readonly metadata?: Record<string, string>;
  readonly limits?: { readonly single_transfer_max?: string | number | null };
}

const limitPath = "limits.single_transfer_max";

/** The settings of a body, and the mask of those that it names. */
function settingsOf({ metadata, limits: { single_transfer_max: max } = {} }: SettingsBody): {
  settings: { metadata: Record<string, string>; limits: { singleTransferMax: string } };
  updateMask: { paths: string[] };
} {
  const paths = [
    ...(metadata === undefined ? [] : ["metadata"]),
    ...(max === undefined ? [] : [limitPath]),
  ];
  // The contract takes an empty limit for none; who writes an empty one has not meant that.
  const given = max === "" ? "0" : (max ?? "");
  const singleTransferMax = given === "" ? "" : amountText(given, limitPath);
  return {
    settings: { metadata: metadata ?? {}, limits: { singleTransferMax } },
    updateMask: { paths },
  };
}
