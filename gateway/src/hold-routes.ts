import type { MessageInitShape } from "@bufbuild/protobuf";
import { HoldStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { type PaymentSchema, WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import * as rest from "./hold-schema.ts";
import type { RestServer } from "./http-server.ts";
import { longBodyBytesMax } from "./mutation-parts.ts";
import {
  amountText,
  conditions,
  detailsOf,
  pageOf,
  type SideBody,
  sideOf,
} from "./request-mapping.ts";
import { inTermsOf, RestRefusal } from "./rest-errors.ts";
import { parseInstant } from "./rest-instants.ts";
import { holdBody, nextPageHeaders, receiptHeaders } from "./rest-mapping.ts";
import type { CallRpc } from "./rpc-calls.ts";

const rpc = WalletService.method;
const limits = { bodyLimit: longBodyBytesMax };

/** Money that is set aside. */
export function registerHoldRoutes(app: RestServer, call: CallRpc): void {
  const place = { schema: rest.placeHold, ...limits };
  app.post("/wallets/:id/holds", place, async ({ params, body, headers }, reply) => {
    const { receipt, hold } = await call(reply, rpc.placeHold, {
      walletId: params.id,
      amount: amountText(body.amount),
      expireTime: parseInstant("expire_time", body.expire_time),
      ...conditions(headers),
      ...detailsOf(body),
    });
    reply.code(201).header("Location", `/holds/${hold?.id}`).headers(receiptHeaders(receipt));
    return holdBody(hold);
  });

  app.get("/wallets/:id/holds", { schema: rest.listHolds }, async ({ params, query }, reply) => {
    const page = pageOf(query, rest.holdsDefault);
    const { holds, nextPageToken } = await call(reply, rpc.listHolds, {
      walletId: params.id,
      status: statusOf(query.status),
      ...page,
    });
    const again = { ...query, page_size: String(page.pageSize) };
    reply.headers(nextPageHeaders(`/wallets/${params.id}/holds`, again, nextPageToken));
    return holds.map(holdBody);
  });

  app.get("/holds/:hold_id", { schema: rest.getHold }, async ({ params }, reply) => {
    const { hold } = await call(reply, rpc.getHold, { holdId: params.hold_id });
    return holdBody(hold);
  });

  const capture = { schema: rest.captureHold, ...limits };
  app.post("/holds/:hold_id/capture", capture, async ({ params, body, headers }, reply) => {
    const terms = body.payments === undefined ? onePaymentTerms : {};
    const answer = call(reply, rpc.captureHold, {
      holdId: params.hold_id,
      payments: paymentsOf(body),
      keepRemaining: body.keep_remaining ?? false,
      ...conditions(headers),
      ...detailsOf(body),
    });
    const { receipt, hold } = await inTermsOf(terms, answer);
    reply.headers(receiptHeaders(receipt));
    return holdBody(hold);
  });

  const release = { schema: rest.releaseHold, ...limits };
  app.post("/holds/:hold_id/release", release, async ({ params, body, headers }, reply) => {
    const { receipt, hold } = await call(reply, rpc.releaseHold, {
      holdId: params.hold_id,
      ...conditions(headers),
      ...detailsOf(body),
    });
    reply.headers(receiptHeaders(receipt));
    return holdBody(hold);
  });
}

const onePaymentTerms = { fields: { "payments[0].amount": "amount" } };

interface CaptureBody {
  readonly to_wallet_id?: string;
  readonly amount?: string | number;
  readonly payments?: readonly { readonly to: SideBody; readonly amount: string | number }[];
}

function paymentsOf(body: CaptureBody): MessageInitShape<typeof PaymentSchema>[] {
  const { to_wallet_id, amount, payments } = body;
  if (payments !== undefined) {
    if (to_wallet_id !== undefined || amount !== undefined) {
      throw RestRefusal.ofField("payments", "must not stand beside to_wallet_id and amount");
    }
    return payments.map((payment, index) => ({
      to: sideOf(payment.to, `payments[${index}].to`),
      amount: amountText(payment.amount, `payments[${index}].amount`),
    }));
  }
  const missing = "is required, unless there are payments";
  if (to_wallet_id === undefined) throw RestRefusal.ofField("to_wallet_id", missing);
  if (amount === undefined) throw RestRefusal.ofField("amount", missing);
  return [{ to: sideOf({ wallet_id: to_wallet_id }, "to_wallet_id"), amount: amountText(amount) }];
}

/** The status that a query asks for, which its pattern has let through. */
function statusOf(name: string | undefined): HoldStatus {
  const statuses = [HoldStatus.OPEN, HoldStatus.CAPTURED, HoldStatus.RELEASED, HoldStatus.EXPIRED];
  return statuses.find((status) => HoldStatus[status] === name) ?? HoldStatus.UNSPECIFIED;
}
