import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { type Wallet, WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import type { Receipt } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { RestRefusal } from "./rest-errors.ts";
import type { WalletBody } from "./rest-schema.ts";

/** A JSON number at or above this is refused as an amount: a JSON parser may have rounded it. */
export const amountNumberLimit = 1e11;

/** A wallet as REST shows it. */
export function walletBody(wallet: Wallet | undefined): WalletBody {
  const {
    id,
    userId,
    currency,
    balance,
    held,
    available,
    status,
    version,
    createTime,
    updateTime,
  } = answered(wallet);
  return {
    id,
    user_id: userId,
    currency,
    balance,
    held,
    available,
    status: WalletStatus[status],
    version: Number(version),
    create_time: instant(createTime),
    update_time: instant(updateTime),
  };
}

/** The ETag of a wallet: its version in double quotes. */
export function walletTag(wallet: Wallet | undefined): string {
  return `"${answered(wallet).version}"`;
}

/** The headers that every committed mutation answers. */
export function receiptHeaders(receipt: Receipt | undefined): Record<string, string> {
  const { transactionId, position } = answered(receipt);
  return { "Transaction-Id": transactionId, Position: position.toString() };
}

/**
 * The amount as the contract wants it: a string is passed on as it is, a number by its shortest
 * form.
 *
 * @throws RestRefusal when a number is not below 10^11 or has no such form with four decimals
 */
export function amountText(amount: string | number): string {
  if (typeof amount === "string") return amount;
  // Zero and every negative number get the same refusal, and some have no plain decimal form.
  if (amount <= 0) return "0";
  const text = String(amount);
  if (amount >= amountNumberLimit || !/^[0-9]+(\.[0-9]{1,4})?$/.test(text)) {
    throw RestRefusal.ofField("amount", amountNumberMeaning);
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

/** Whether an If-None-Match header names the tag, weakly compared as RFC 9110 wants it. */
export function matchesTag(ifNoneMatch: string | undefined, tag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const tags = ifNoneMatch.split(",").map((one) => one.trim().replace(/^W\//, ""));
  return tags.includes(tag) || tags.includes("*");
}

/** The Link header to the next page, with the same query otherwise; none after the last one. */
export function nextPageHeaders(
  path: string,
  query: Readonly<Record<string, string>>,
  nextPageToken: string,
): Record<string, string> {
  if (nextPageToken === "") return {};
  const next = new URLSearchParams({ ...query, page_token: nextPageToken });
  return { Link: `<${path}?${next}>; rel="next"` };
}

/** An instant of an answer, in RFC 3339: UTC, milliseconds. */
export function instant(timestamp: Timestamp | undefined): string {
  return timestampDate(answered(timestamp)).toISOString();
}

/** Messages are optional on the wire; an answer that lacks one is the service's fault. */
export function answered<Part>(part: Part | undefined): Part {
  if (part === undefined) throw new Error("The service left out a part of its answer");
  return part;
}
