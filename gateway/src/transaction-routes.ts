import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ReversedLegSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { type Receipt, WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import type { RestServer } from "./http-server.ts";
import { longBodyBytesMax } from "./mutation-parts.ts";
import { amountText, detailsOf, sideOf } from "./request-mapping.ts";
import { inTermsOf, RestRefusal } from "./rest-errors.ts";
import { answered, postedBody, receiptHeaders, reversalBody } from "./rest-mapping.ts";
import type { CallRpc } from "./rpc-calls.ts";
import * as rest from "./transaction-schema.ts";

const rpc = WalletService.method;
const limits = { bodyLimit: longBodyBytesMax };

/** Transactions of several legs, and what takes transactions back. */
export function registerTransactionRoutes(app: RestServer, call: CallRpc): void {
  const post = { schema: rest.postTransaction, ...limits };
  app.post("/transactions", post, async ({ body, headers }, reply) => {
    const { legs, expected_versions = [], exchange } = body;
    const answer = call(reply, rpc.postTransaction, {
      legs: legs.map(({ from, to, amount }, index) => ({
        from: sideOf(from, `legs[${index}].from`),
        to: sideOf(to, `legs[${index}].to`),
        amount: amountText(amount, `legs[${index}].amount`),
      })),
      expectedVersions: expected_versions.map(({ wallet_id, version }) => ({
        walletId: wallet_id,
        version: BigInt(version),
      })),
      ...(exchange && {
        exchange: { rate: exchange.rate ?? "", quoteId: exchange.quote_id ?? "" },
      }),
      requestId: headers["idempotency-key"] ?? "",
      ...detailsOf(body),
    });
    const { receipt, wallets } = await inTermsOf(postTerms, answer);
    reply.code(201).headers(createdHeaders(receipt));
    return postedBody({ receipt, wallets });
  });

  const reverse = { schema: rest.reverseTransaction, ...limits };
  const path = "/transactions/:transaction_id/reverse";
  app.post(path, reverse, async ({ params, body, headers }, reply) => {
    const { receipt, wallets, reversal } = await call(reply, rpc.reverseTransaction, {
      transactionId: params.transaction_id,
      ...reversedOf(body),
      shortfallAccount: body.shortfall_account ?? "",
      requestId: headers["idempotency-key"] ?? "",
      ...detailsOf(body),
    });
    reply.code(201).headers(createdHeaders(receipt));
    return { ...postedBody({ receipt, wallets }), reversal: reversalBody(answered(reversal)) };
  });
}

// The versions stand in the body: 412 is for conditions in headers.
const postTerms = { conflictStatus: 409 };

interface ReverseBody {
  readonly amount?: string | number;
  readonly legs?: readonly { readonly index: number; readonly amount: string | number }[];
}

/** What to take back: of the only leg, of some legs, or all that is left. */
function reversedOf({ amount, legs }: ReverseBody): {
  amount?: string;
  legs?: MessageInitShape<typeof ReversedLegSchema>[];
} {
  if (amount !== undefined) {
    if (legs !== undefined) throw RestRefusal.ofField("legs", "must not stand beside amount");
    // The contract takes an empty amount for none; who writes an empty one has not meant all.
    return { amount: amount === "" ? "0" : amountText(amount) };
  }
  return {
    legs: (legs ?? []).map((leg, place) => ({
      index: leg.index,
      amount: amountText(leg.amount, `legs[${place}].amount`),
    })),
  };
}

function createdHeaders(receipt: Receipt | undefined): Record<string, string> {
  const location = `/transactions/${receipt?.transactionId}`;
  return { Location: location, ...receiptHeaders(receipt) };
}
