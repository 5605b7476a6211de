import { type Static, Type } from "typebox";
import { exactObject } from "./exact-object.ts";
import {
  amount,
  details,
  idempotencyKey,
  ifMatch,
  location,
  receiptHeaders,
  refusals,
  side,
  walletConditions,
} from "./mutation-parts.ts";
import { optionalBody } from "./optional-body.ts";
import { holdStatusPattern } from "./rest-patterns.ts";
import {
  decimal,
  instant,
  json,
  link,
  pageQuery,
  problems,
  uuid,
  walletPath,
} from "./rest-schema-parts.ts";

/** The number of holds on a page when the client does not say. */
export const holdsDefault = 100;

/** Money of a wallet that is set aside, as REST shows it. */
export const holdSchema = Type.Object(
  {
    id: Type.String({ format: "uuid", description: "UUIDv7 in lower case." }),
    wallet_id: Type.String({ format: "uuid", description: "The wallet whose money it is." }),
    currency: Type.String({ description: "The wallet's currency.", examples: ["USD"] }),
    amount: decimal("What was set aside at first, with four decimals."),
    captured: decimal("What was paid out of it so far, with four decimals."),
    remaining: decimal("What is still set aside, with four decimals; 0.0000 once it has ended."),
    status: Type.String({
      description: "OPEN, or how it ended: CAPTURED, RELEASED, EXPIRED.",
      examples: ["OPEN"],
    }),
    create_time: Type.String({ format: "date-time", description: "UTC, milliseconds." }),
    expire_time: Type.String({
      format: "date-time",
      description: "From this instant on nothing can be captured. UTC, milliseconds.",
    }),
  },
  { $id: "Hold", description: "Money of a wallet that is set aside for a payment to come." },
);

/** Money of a wallet that is set aside, as REST shows it. */
export type HoldBody = Static<typeof holdSchema>;

/** A hold, described once for all routes. */
export const holdReference = Type.Unsafe<HoldBody>({ $ref: "Hold#" });

const tags = ["holds"];
const holdPath = Type.Object({ hold_id: uuid("The hold") });
const asked = {
  tags,
  params: holdPath,
  headers: Type.Object({ ...idempotencyKey, ...ifMatch("the hold's wallet") }),
};
const answered = {
  200: json("The hold right after it.", holdReference, receiptHeaders),
  ...refusals,
};

/** POST /wallets/:id/holds */
export const placeHold = {
  operationId: "placeHold",
  summary: "Set money of a wallet aside",
  description: "The money stays in the balance, and cannot be spent otherwise until the hold ends.",
  tags,
  params: walletPath,
  headers: walletConditions,
  body: exactObject({
    amount,
    expire_time: instant(
      "When the hold ends unless it is captured or released before; at most as far ahead as " +
        "configured (31 days).",
    ),
    ...details,
  }),
  response: {
    201: json("The new hold.", holdReference, { ...location, ...receiptHeaders }),
    ...refusals,
  },
};

/** GET /wallets/:id/holds */
export const listHolds = {
  operationId: "listHolds",
  summary: "List the holds of a wallet",
  description: "Newest first.",
  tags,
  params: walletPath,
  querystring: Type.Object({
    status: Type.Optional(
      Type.String({
        pattern: holdStatusPattern,
        description: "Only holds of this status: OPEN, CAPTURED, RELEASED or EXPIRED.",
        examples: ["OPEN"],
      }),
    ),
    ...pageQuery("holds", holdsDefault),
  }),
  response: {
    200: json("One page of holds.", Type.Array(holdReference), link),
    ...problems(400, 404, 503, 504),
  },
};

/** GET /holds/:hold_id */
export const getHold = {
  operationId: "getHold",
  summary: "Read a hold",
  description: "One whose time is over is OPEN until its money is freed, a second or two later.",
  tags,
  params: holdPath,
  response: { 200: json("The hold.", holdReference, {}), ...problems(404, 503, 504) },
};

/** POST /holds/:hold_id/capture */
export const captureHold = {
  operationId: "captureHold",
  summary: "Pay out of a hold",
  description:
    "To one wallet with to_wallet_id and amount, or to several places with payments. What remains is " +
    "released by the same transaction unless it is to be kept.",
  ...asked,
  body: exactObject({
    to_wallet_id: Type.Optional(uuid("The wallet that is paid")),
    amount: Type.Optional(amount),
    payments: Type.Optional(
      Type.Array(exactObject({ to: side, amount }), {
        minItems: 1,
        maxItems: 100,
        description: "1 to 100 payments, in the place of to_wallet_id and amount.",
      }),
    ),
    keep_remaining: Type.Optional(
      Type.Boolean({
        default: false,
        description: "Keep the rest set aside, for captures to come.",
      }),
    ),
    ...details,
  }),
  response: answered,
};

/** POST /holds/:hold_id/release */
export const releaseHold = {
  operationId: "releaseHold",
  summary: "Free what a hold has set aside",
  description: "Needs no body.",
  ...asked,
  body: exactObject(details, optionalBody),
  response: answered,
};
