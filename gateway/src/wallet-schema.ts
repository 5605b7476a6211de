import { type Static, Type } from "typebox";
import { exactObject } from "./exact-object.ts";
import {
  account,
  amount,
  details,
  etag,
  idempotencyKey,
  location,
  metadata,
  noIfMatch,
  receiptHeaders,
  refusals,
  walletConditions,
} from "./mutation-parts.ts";
import { currencyPattern, textPattern } from "./rest-patterns.ts";
import { decimal, json, link, pageQuery, problems, uuid, walletPath } from "./rest-schema-parts.ts";

/** The number of wallets on a page when the client does not say. */
export const walletsDefault = 1_000;

const userId = Type.String({
  minLength: 1,
  maxLength: 100,
  pattern: textPattern,
  description: "The owner as your company names him: 1 to 100 characters.",
  examples: ["alice"],
});

const walletFields = {
  id: Type.String({ format: "uuid", description: "UUIDv7 in lower case." }),
  user_id: Type.Optional(Type.String({ description: "The owner, 1 to 100 characters." })),
  currency: Type.String({ description: "The wallet's only currency.", examples: ["USD"] }),
  balance: Type.Optional(decimal("All the money in the wallet, with four decimals.")),
  held: Type.Optional(decimal("The part of the balance that is set aside, with four decimals.")),
  available: Type.Optional(decimal("What can be spent: balance - held, with four decimals.")),
  status: Type.Optional(
    Type.String({
      description:
        "ACTIVE: money moves in and out; FROZEN_OUTGOING: only in; FROZEN: not at all; CLOSED: never again.",
      examples: ["ACTIVE"],
    }),
  ),
  version: Type.Optional(
    Type.Integer({ description: "0 at creation, one more with every change." }),
  ),
  create_time: Type.Optional(
    Type.String({ format: "date-time", description: "UTC, milliseconds." }),
  ),
  update_time: Type.Optional(
    Type.String({ format: "date-time", description: "UTC, milliseconds." }),
  ),
};

/** A wallet as REST shows it. */
export const walletSchema = Type.Object(walletFields, {
  $id: "Wallet",
  description:
    "A wallet holds a balance of one currency for one user. Only id and currency are shown of a " +
    "wallet that the caller may not read, such as the one that he pays.",
});

/** A wallet as REST shows it. */
export type WalletBody = Static<typeof walletSchema>;

/** A wallet, described once for all routes. */
export const walletReference = Type.Unsafe<WalletBody>({ $ref: "Wallet#" });

/** What is kept beside a wallet, as REST shows it: each part only where there is something. */
export const settings = {
  metadata: Type.Optional(metadata),
  limits: Type.Optional(
    Type.Object({ single_transfer_max: decimal("The most that may leave the wallet at once.") }),
  ),
};

const wholeWalletSchema = Type.Object({ ...walletFields, ...settings });

/** A wallet with what is kept beside it. */
export type WholeWalletBody = Static<typeof wholeWalletSchema>;

/** The answer that is a wallet right after its change. */
export const walletAnswer = json("The wallet right after it.", walletReference, {
  ...etag,
  ...receiptHeaders,
});

/** The answer that is a wallet with what is kept beside it. */
export const wholeWalletAnswer = json(
  "The wallet, with metadata and limits where it has some.",
  wholeWalletSchema,
  etag,
);

const ofMoney = { tags: ["money"], params: walletPath, headers: walletConditions };
const listed = {
  tags: ["wallets"],
  querystring: Type.Object(pageQuery("wallets", walletsDefault)),
  response: {
    200: json("One page of wallets.", Type.Array(walletReference), link),
    ...problems(400, 503, 504),
  },
};

/** POST /wallets */
export const createWallet = {
  operationId: "createWallet",
  summary: "Create a wallet",
  description: "A user may have any number of wallets.",
  tags: ["wallets"],
  headers: Type.Object({
    ...idempotencyKey,
    ...noIfMatch("a new wallet has no version to compare, so leave it out"),
  }),
  body: Type.Object({
    user_id: userId,
    currency: Type.Optional(
      Type.String({
        pattern: currencyPattern,
        description: "One of the currencies configured; USD when it is left out.",
        examples: ["USD"],
      }),
    ),
    ...details,
  }),
  response: {
    201: json("The new wallet.", walletReference, { ...location, ...etag, ...receiptHeaders }),
    ...problems(400, 413, 415, 422, 503, 504),
  },
};

/** GET /wallets */
export const listWallets = {
  operationId: "listWallets",
  summary: "List all wallets",
  description: "Newest first.",
  ...listed,
};

/** GET /wallets/:id */
export const getWallet = {
  operationId: "getWallet",
  summary: "Read a wallet",
  description: "Sees every change that was answered before the request.",
  tags: ["wallets"],
  params: walletPath,
  headers: Type.Object({
    "If-None-Match": Type.Optional(
      Type.String({ description: "The ETag you have: 304 without a body while it is current." }),
    ),
  }),
  response: {
    200: wholeWalletAnswer,
    304: { type: "null", description: "The wallet still has the version in If-None-Match." },
    ...problems(404, 503, 504),
  },
};

/** POST /wallets/:id/fund */
export const fundWallet = {
  operationId: "fundWallet",
  summary: "Bring money into a wallet",
  description: "The money comes from outside, from an account that has no balance.",
  ...ofMoney,
  body: Type.Object({
    amount,
    source: Type.Optional(account("Where it comes from; external when it is left out.")),
    ...details,
  }),
  response: { 200: walletAnswer, ...refusals },
};

/** POST /wallets/:id/transfer */
export const transfer = {
  operationId: "transfer",
  summary: "Move money to another wallet",
  description: "The wallet in the path pays. Both wallets have the same currency.",
  ...ofMoney,
  body: Type.Object({
    to_wallet_id: uuid("The wallet that receives"),
    amount,
    ...details,
  }),
  response: {
    200: json("The receiving wallet right after it.", walletReference, receiptHeaders),
    ...refusals,
  },
};

/** POST /wallets/:id/withdraw */
export const withdraw = {
  operationId: "withdraw",
  summary: "Send money out of a wallet",
  description: "A payout. One that is returned is taken back with POST /transactions/:id/reverse.",
  ...ofMoney,
  body: exactObject({
    amount,
    destination: Type.Optional(account("Where it goes to; external when it is left out.")),
    ...details,
  }),
  response: { 200: walletAnswer, ...refusals },
};

/** GET /users/:user_id/wallets */
export const listUserWallets = {
  operationId: "listUserWallets",
  summary: "List the wallets of a user",
  description: "Newest first; an empty list for a user without wallets.",
  params: Type.Object({ user_id: userId }),
  ...listed,
};
