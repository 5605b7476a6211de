import { randomUUID } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import {
  BatchTransferRequestSchema,
  type TransferRequest,
  TransferRequestSchema,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { type Transfer, transferredAmount } from "./load.ts";

/** A transfer as a whole HTTP request. */
export function transferRequest(
  { from, to }: Transfer,
  { port, token }: { readonly port: number; readonly token?: string | undefined },
): string {
  const body = JSON.stringify({ to_wallet_id: to, amount: transferredAmount });
  return [
    `POST /wallets/${from}/transfer HTTP/1.1`,
    `Host: localhost:${port}`,
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    "Content-Type: application/json",
    `Content-Length: ${body.length}`,
    `Idempotency-Key: ${randomUUID()}`,
    "",
    body,
  ].join("\r\n");
}

/** A transfer as the bytes of its message. */
export function transferBytes(transfer: Transfer): Buffer {
  return Buffer.from(toBinary(TransferRequestSchema, messageOf(transfer)));
}

/** Transfers as the bytes of one batch. */
export function batchBytes(transfers: readonly Transfer[]): Buffer {
  const batch = create(BatchTransferRequestSchema, { transfers: transfers.map(messageOf) });
  return Buffer.from(toBinary(BatchTransferRequestSchema, batch));
}

function messageOf({ from, to }: Transfer): TransferRequest {
  return create(TransferRequestSchema, {
    fromWalletId: from,
    toWalletId: to,
    amount: transferredAmount,
    requestId: randomUUID(),
  });
}
