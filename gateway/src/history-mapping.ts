import { hash } from "node:crypto";
import type { Entry, GetTransactionResponse } from "@pelikuni/gen/history/v1/history_service_pb";
import {
  type Leg,
  type Side,
  type WalletChange,
  WalletEventSchema,
} from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import type { BalanceBody, EntryBody, TransactionBody } from "./history-schema.ts";
import { answered, instant } from "./rest-mapping.ts";

/** An entry as REST shows it. */
export function entryBody(entry: Entry): EntryBody {
  const { kind, amount, requestId, head } = entry;
  return { ...balanceBody(entry), kind, amount, request_id: requestId, head: hex(head) };
}

/** What a wallet held after an entry, as REST shows it. */
export function balanceBody(entry: Entry | undefined): BalanceBody {
  const { available, transactionId, position, occurredAt, ...change } = answered(entry);
  return {
    ...changedBody(change),
    available,
    transaction_id: transactionId,
    position: Number(position),
    occurred_at: instant(occurredAt),
  };
}

/** A transaction as REST shows it. */
export function transactionBody(response: GetTransactionResponse): TransactionBody {
  const { position, event, eventBytes } = response;
  const { transactionId, occurredAt, requestId, legs, changes, kind } = answered(event);
  return {
    transaction_id: transactionId,
    position: Number(position),
    occurred_at: instant(occurredAt),
    kind: WalletEventSchema.fields.find(({ localName }) => localName === kind.case)?.name ?? "",
    request_id: requestId,
    legs: legs.map(legBody),
    changes: changes.map(changeBody),
    head: hash("sha256", eventBytes, "hex"),
    event_bytes: Buffer.from(eventBytes).toString("base64"),
  };
}

type Changed = Pick<
  WalletChange,
  "walletId" | "userId" | "currency" | "balance" | "held" | "status" | "version"
>;

function changedBody(
  change: Changed,
): Omit<BalanceBody, "available" | "transaction_id" | "position" | "occurred_at"> {
  const { walletId, userId, currency, balance, held, status, version } = change;
  return {
    wallet_id: walletId,
    user_id: userId,
    currency,
    balance,
    held,
    status: WalletStatus[status],
    version: Number(version),
  };
}

function legBody({ from, to, amount, currency }: Leg): TransactionBody["legs"][number] {
  return { from: sideBody(from), to: sideBody(to), amount, currency };
}

function sideBody(side: Side | undefined): TransactionBody["legs"][number]["from"] {
  const { side: place } = answered(side);
  return place.case === "walletId" ? { wallet_id: place.value } : { account: place.value ?? "" };
}

function changeBody(change: WalletChange): TransactionBody["changes"][number] {
  const { amount, previousHead } = change;
  return { ...changedBody(change), amount, previous_head: hex(previousHead) };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
