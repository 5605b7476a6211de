import type { MessageInitShape } from "@bufbuild/protobuf";
import type { SideSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import type { DetailsSchema } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { RestRefusal } from "./rest-errors.ts";

/** A JSON number at or above this is refused as an amount: a JSON parser may have rounded it. */
export const amountNumberLimit = 1e11;

/**
 * The amount as the contract wants it: a string is passed on as it is, a number by its shortest
 * form.
 *
 * @param field where it stands in the body, for example `legs[0].amount`
 * @throws RestRefusal when a number is not below 10^11 or has no such form with four decimals
 */
export function amountText(amount: string | number, field = "amount"): string {
  if (typeof amount === "string") return amount;
  // Zero and every negative number get the same refusal, and some have no plain decimal form.
  if (amount <= 0) return "0";
  const text = String(amount);
  if (amount >= amountNumberLimit || !/^[0-9]+(\.[0-9]{1,4})?$/.test(text)) {
    throw RestRefusal.ofField(field, amountNumberMeaning);
  }
  return text;
}

const amountNumberMeaning =
  "must, as a JSON number, be below 100000000000 and have up to 4 decimals; " +
  'send it as a string, for example "25.50"';

/** The version that an If-Match header insists on; undefined for none and for `*`. */
export function expectedVersion(ifMatch: string | undefined): bigint | undefined {
  return ifMatch === undefined || ifMatch === "*" ? undefined : BigInt(ifMatch.slice(1, -1));
}

/** The headers that say when a mutation acts. */
export interface ConditionHeaders {
  readonly "idempotency-key"?: string;
  readonly "if-match"?: string;
}

/** What the headers of a mutation mean to the contract. */
export function conditions(headers: ConditionHeaders): {
  requestId: string;
  expectedVersion?: bigint;
} {
  const version = expectedVersion(headers["if-match"]);
  const requestId = headers["idempotency-key"] ?? "";
  return version === undefined ? { requestId } : { requestId, expectedVersion: version };
}

/** The fields of a body that are to be remembered. */
export interface DetailsBody {
  readonly reference?: string;
  readonly description?: string;
  readonly metadata?: Record<string, string>;
}

/** What is to be remembered, if anything: a body without it is the same as one with empty fields. */
export function detailsOf({ reference = "", description = "", metadata = {} }: DetailsBody): {
  details?: MessageInitShape<typeof DetailsSchema>;
} {
  const isEmpty = reference === "" && description === "" && Object.keys(metadata).length === 0;
  return isEmpty ? {} : { details: { reference, description, metadata } };
}

/** One end of a movement as a body names it. */
export interface SideBody {
  readonly wallet_id?: string;
  readonly account?: string;
}

/**
 * One end of a movement.
 *
 * @param field where it stands in the body
 * @throws RestRefusal when it is neither a wallet nor an account, or both
 */
export function sideOf(
  { wallet_id, account }: SideBody,
  field: string,
): MessageInitShape<typeof SideSchema> {
  if ((wallet_id === undefined) === (account === undefined)) {
    throw RestRefusal.ofField(field, "must have either wallet_id or account");
  }
  return wallet_id === undefined
    ? { side: { case: "account", value: account ?? "" } }
    : { side: { case: "walletId", value: wallet_id } };
}

/** What a query says of the page that it asks for. */
export interface PageQuery {
  readonly page_size?: number;
  readonly page_token?: string;
}

/** The page that a query asks for. */
export function pageOf(
  query: PageQuery,
  sizeDefault: number,
): { pageSize: number; pageToken: string } {
  return { pageSize: query.page_size ?? sizeDefault, pageToken: query.page_token ?? "" };
}
