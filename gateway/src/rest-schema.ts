import { type Static, Type } from "typebox";
import {
  currencyPattern,
  ifMatchPattern,
  keyPattern,
  textPattern,
  uuidPattern,
} from "./rest-patterns.ts";
import { decimal, json, link, problems, walletPath } from "./rest-schema-parts.ts";

/** The most wallets on one page, and the number on a page when the client does not say. */
export const pageSizeMax = 1_000;

const userId = Type.String({
  minLength: 1,
  maxLength: 100,
  pattern: textPattern,
  description: "The owner as your company names him: 1 to 100 characters.",
  examples: ["alice"],
});

/** A wallet as REST shows it. */
export const walletSchema = Type.Object(
  {
    id: Type.String({ format: "uuid", description: "UUIDv7 in lower case." }),
    user_id: Type.String({ description: "The owner, 1 to 100 characters." }),
    currency: Type.String({ description: "The wallet's only currency.", examples: ["USD"] }),
    balance: decimal("All the money in the wallet, with four decimals."),
    held: decimal("The part of the balance that is set aside, with four decimals."),
    available: decimal("What can be spent: balance - held, with four decimals."),
    status: Type.String({ description: "ACTIVE: money moves in and out.", examples: ["ACTIVE"] }),
    version: Type.Integer({ description: "0 at creation, one more with every change." }),
    create_time: Type.String({ format: "date-time", description: "UTC, milliseconds." }),
    update_time: Type.String({ format: "date-time", description: "UTC, milliseconds." }),
  },
  { $id: "Wallet", description: "A wallet holds a balance of one currency for one user." },
);

/** A wallet as REST shows it. */
export type WalletBody = Static<typeof walletSchema>;

const walletReference = Type.Unsafe<WalletBody>({ $ref: "Wallet#" });

const amount = Type.Unsafe<string | number>({
  type: ["string", "number"],
  description:
    "Greater than zero, up to 15 digits and up to 4 decimals. Better a string: a JSON number counts " +
    "by its shortest form, and is accepted below 100000000000.",
  examples: ["25.50"],
});

const idempotencyKey = {
  "Idempotency-Key": Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 255,
      pattern: keyPattern,
      description:
        "Visible ASCII. Makes the request safe to repeat: the same key with the same input answers what it " +
        "answered the first time. Remembered for seven days unless configured otherwise.",
    }),
  ),
};

const ifMatch = {
  "If-Match": Type.Optional(
    Type.String({
      pattern: ifMatchPattern,
      description: "Act only if the wallet in the path has this version; * means any.",
      examples: ['"3"'],
    }),
  ),
};

const page = Type.Object({
  page_size: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: pageSizeMax,
      default: pageSizeMax,
      description: "The most wallets to answer with.",
    }),
  ),
  page_token: Type.Optional(
    Type.String({
      maxLength: 200,
      pattern: textPattern,
      description: 'From the Link header with rel="next"; opaque. Without it, the first page.',
    }),
  ),
});

const receiptHeaders = {
  "Transaction-Id": Type.String({ format: "uuid", description: "The transaction's UUIDv7." }),
  Position: Type.String({ description: "Its place in the journal, dense from 1." }),
};
const etag = { ETag: Type.String({ description: 'The version in double quotes, like "3".' }) };
const location = { Location: Type.String({ description: "The path of the new wallet." }) };
/** POST /wallets */
export const createWallet = {
  operationId: "createWallet",
  summary: "Create a wallet",
  description: "A user may have any number of wallets.",
  tags: ["wallets"],
  headers: Type.Object(idempotencyKey),
  body: Type.Object({
    user_id: userId,
    currency: Type.Optional(
      Type.String({
        pattern: currencyPattern,
        description: "One of the currencies configured; USD when it is left out.",
        examples: ["USD"],
      }),
    ),
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
  tags: ["wallets"],
  querystring: page,
  response: {
    200: json("One page of wallets.", Type.Array(walletReference), link),
    ...problems(400, 503, 504),
  },
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
    200: json("The wallet.", walletReference, etag),
    304: { type: "null", description: "The wallet still has the version in If-None-Match." },
    ...problems(404, 503, 504),
  },
};

/** POST /wallets/:id/fund */
export const fundWallet = {
  operationId: "fundWallet",
  summary: "Bring money into a wallet",
  description: 'The money comes from outside, from the account "external".',
  tags: ["money"],
  params: walletPath,
  headers: Type.Object({ ...idempotencyKey, ...ifMatch }),
  body: Type.Object({ amount }),
  response: {
    200: json("The wallet right after it.", walletReference, { ...etag, ...receiptHeaders }),
    ...problems(400, 404, 412, 413, 415, 422, 503, 504),
  },
};

/** POST /wallets/:id/transfer */
export const transfer = {
  operationId: "transfer",
  summary: "Move money to another wallet",
  description: "The wallet in the path pays. Both wallets have the same currency.",
  tags: ["money"],
  params: walletPath,
  headers: Type.Object({ ...idempotencyKey, ...ifMatch }),
  body: Type.Object({
    to_wallet_id: Type.String({
      format: "uuid",
      pattern: uuidPattern,
      description: "The wallet that receives: a UUID in either case.",
    }),
    amount,
  }),
  response: {
    200: json("The receiving wallet right after it.", walletReference, receiptHeaders),
    ...problems(400, 404, 412, 413, 415, 422, 503, 504),
  },
};

/** GET /users/:user_id/wallets */
export const listUserWallets = {
  operationId: "listUserWallets",
  summary: "List the wallets of a user",
  description: "Newest first; an empty list for a user without wallets.",
  tags: ["wallets"],
  params: Type.Object({ user_id: userId }),
  querystring: page,
  response: {
    200: json("One page of wallets.", Type.Array(walletReference), link),
    ...problems(400, 503, 504),
  },
};

/** GET /health */
export const health = {
  operationId: "health",
  summary: "Whether the gateway runs",
  description: "Says nothing about the services behind it.",
  tags: ["service"],
  response: { 200: json("It runs.", Type.Object({ status: Type.Literal("ok") }), {}) },
};
