import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type { Reversal, ReversedLeg } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import {
  type Hold,
  HoldStatus,
  type Wallet,
  type WalletSettings,
  WalletStatus,
} from "@pelikuni/gen/wallet/v1/wallet_pb";
import type { Receipt } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import type { FastifyReply } from "fastify";
import type { HoldBody } from "./hold-schema.ts";
import type { PostedBody, ReversalBody } from "./transaction-schema.ts";
import type { WalletBody, WholeWalletBody } from "./wallet-schema.ts";

/** A wallet as REST shows it: without its state where the caller may not read it. */
export function walletBody(wallet: Wallet | undefined): WalletBody {
  const shown = answered(wallet);
  if (!isShown(shown)) return { id: shown.id, currency: shown.currency };
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
  } = shown;
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

/** A wallet with what is kept beside it, as REST shows it: each part only where there is something. */
export function wholeWalletBody(answer: {
  readonly wallet?: Wallet | undefined;
  readonly settings?: WalletSettings | undefined;
}): WholeWalletBody {
  return { ...walletBody(answer.wallet), ...settingsBody(answer.settings) };
}

/** What is kept beside a wallet, as REST shows it. */
export function settingsBody(
  settings: WalletSettings | undefined,
): Pick<WholeWalletBody, "metadata" | "limits"> {
  const { metadata, limits } = answered(settings);
  const max = limits?.singleTransferMax ?? "";
  return {
    ...(Object.keys(metadata).length > 0 && { metadata }),
    ...(max !== "" && { limits: { single_transfer_max: max } }),
  };
}

/** A hold as REST shows it. */
export function holdBody(hold: Hold | undefined): HoldBody {
  const { id, walletId, currency, amount, captured, remaining, status, createTime, expireTime } =
    answered(hold);
  return {
    id,
    wallet_id: walletId,
    currency,
    amount,
    captured,
    remaining,
    status: HoldStatus[status],
    create_time: instant(createTime),
    expire_time: instant(expireTime),
  };
}

/** A transaction that was just posted, as REST shows it. */
export function postedBody(answer: {
  readonly receipt?: Receipt | undefined;
  readonly wallets: readonly Wallet[];
}): PostedBody {
  const { transactionId, position, occurredAt } = answered(answer.receipt);
  return {
    transaction_id: transactionId,
    position: Number(position),
    occurred_at: instant(occurredAt),
    wallets: answer.wallets.map(walletBody),
  };
}

/** What a reversal takes back, as REST shows it. */
export function reversalBody({ transactionId, legs }: Reversal): ReversalBody {
  return { transaction_id: transactionId, legs: legs.map(reversedLegBody) };
}

/** What is taken back of one leg, as REST shows it. */
export function reversedLegBody({ index, amount }: ReversedLeg): ReversalBody["legs"][number] {
  return { index, amount };
}

/** The ETag of a wallet: its version in double quotes. */
export function walletTag(wallet: Wallet | undefined): string {
  return `"${answered(wallet).version}"`;
}

/** The header with a wallet's ETag, where its caller may read the wallet. */
export function walletTagHeader(wallet: Wallet | undefined): { ETag?: string } {
  return isShown(answered(wallet)) ? { ETag: walletTag(wallet) } : {};
}

/** Whether an answer shows the state of a wallet: every wallet has a user. */
function isShown({ userId }: Wallet): boolean {
  return userId !== "";
}

/** The headers that every committed mutation answers. */
export function receiptHeaders(receipt: Receipt | undefined): Record<string, string> {
  const { transactionId, position } = answered(receipt);
  return { "Transaction-Id": transactionId, Position: position.toString() };
}

/** Answers a wallet right after its change. */
export function changedWallet(
  reply: FastifyReply,
  {
    receipt,
    wallet,
  }: { readonly receipt?: Receipt | undefined; readonly wallet?: Wallet | undefined },
): WalletBody {
  reply.headers(walletTagHeader(wallet)).headers(receiptHeaders(receipt));
  return walletBody(wallet);
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
