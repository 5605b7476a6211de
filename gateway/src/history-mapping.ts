import { hash } from "node:crypto";
import type {
  AccountEntry,
  Entry,
  GetTransactionResponse,
} from "@pelikuni/gen/history/v1/history_service_pb";
import {
  type Actor,
  type Leg,
  type Side,
  type WalletChange,
  type WalletEvent,
  WalletEventSchema,
} from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import type { Details } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import type { AccountEntryBody } from "./account-schema.ts";
import type { BalanceBody, EntryBody, TransactionBody } from "./history-schema.ts";
import {
  answered,
  holdBody,
  instant,
  reversalBody,
  reversedLegBody,
  settingsBody,
} from "./rest-mapping.ts";

/** An entry as REST shows it. */
export function entryBody(entry: Entry): EntryBody {
  const { kind, amount, requestId, actor, head, details, holdId, reversesTransactionId } = entry;
  return {
    ...balanceBody(entry),
    kind,
    amount,
    request_id: requestId,
    ...actorBody(actor),
    head: hex(head),
    ...rememberedBody(details),
    hold_id: holdId,
    reverses_transaction_id: reversesTransactionId,
  };
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
  const { position, event, eventBytes, reversedBy } = response;
  const { transactionId, occurredAt, requestId, legs, changes, kind, details, actor } =
    answered(event);
  return {
    transaction_id: transactionId,
    position: Number(position),
    occurred_at: instant(occurredAt),
    kind: WalletEventSchema.fields.find(({ localName }) => localName === kind.case)?.name ?? "",
    request_id: requestId,
    ...actorBody(actor),
    legs: legs.map(legBody),
    changes: changes.map(changeBody),
    // Who does not see the bytes does not see their hash either.
    head: eventBytes.length === 0 ? "" : hash("sha256", eventBytes, "hex"),
    event_bytes: Buffer.from(eventBytes).toString("base64"),
    ...rememberedBody(details),
    ...ownBody(kind),
    reversed_by: reversedBy.map((by) => ({
      transaction_id: by.transactionId,
      position: Number(by.position),
      legs: by.legs.map(reversedLegBody),
    })),
  };
}

/** One leg between an account outside and a wallet, as REST shows it. */
export function accountEntryBody(entry: AccountEntry): AccountEntryBody {
  return {
    account: entry.account,
    currency: entry.currency,
    amount: entry.amount,
    wallet_id: entry.walletId,
    transaction_id: entry.transactionId,
    position: Number(entry.position),
    occurred_at: instant(entry.occurredAt),
    leg_index: entry.legIndex,
    kind: entry.kind,
    ...rememberedBody(entry.details),
  };
}

function rememberedBody(
  details: Details | undefined,
): Pick<EntryBody, "reference" | "description" | "metadata"> {
  const { reference = "", description = "", metadata = {} } = details ?? {};
  return { reference, description, metadata };
}

function actorBody(actor: Actor | undefined): Pick<EntryBody, "actor"> {
  if (actor === undefined) return {};
  const { issuer, subject, client } = actor;
  return { actor: { issuer, subject, client } };
}

/** What a kind of change says beside what all of them say. */
function ownBody({
  case: name,
  value,
}: WalletEvent["kind"]): Pick<
  TransactionBody,
  "hold" | "reversal" | "exchange" | "reason" | "settings"
> {
  switch (name) {
    case "transactionPosted": {
      const { hold, reversal, exchange } = value;
      return {
        ...(hold && { hold: holdBody(hold) }),
        ...(reversal && { reversal: reversalBody(reversal) }),
        ...(exchange && { exchange: { rate: exchange.rate, quote_id: exchange.quoteId } }),
      };
    }
    case "holdPlaced":
    case "holdReleased":
      return { hold: holdBody(value.hold) };
    case "walletStatusChanged":
      return { reason: value.reason };
    case "walletUpdated":
      return { settings: settingsBody(value.settings) };
    default:
      return {};
  }
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
