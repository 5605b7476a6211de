import { type Static, Type } from "typebox";
import { exactObject } from "./exact-object.ts";
import {
  account,
  amount,
  details,
  idempotencyKey,
  location,
  noIfMatch,
  receiptHeaders,
  side,
} from "./mutation-parts.ts";
import { optionalBody } from "./optional-body.ts";
import { textPattern } from "./rest-patterns.ts";
import { decimal, json, problems, uuid } from "./rest-schema-parts.ts";
import { walletReference } from "./wallet-schema.ts";

const legsMax = 100;

/** What every answer says of a transaction. */
export const transaction = {
  transaction_id: Type.String({ format: "uuid", description: "The transaction's UUIDv7." }),
  position: Type.Integer({ description: "Its place in the journal, dense from 1." }),
  occurred_at: Type.String({ format: "date-time", description: "UTC, milliseconds." }),
};

/** What a reversal takes back, as REST shows it. */
export const reversalSchema = Type.Object({
  transaction_id: Type.String({ format: "uuid", description: "The transaction reversed." }),
  legs: Type.Array(
    Type.Object({
      index: Type.Integer({ description: "The leg's place in the transaction reversed, from 0." }),
      amount: decimal("What is taken back of it, with four decimals."),
    }),
  ),
});

/** What a reversal takes back, as REST shows it. */
export type ReversalBody = Static<typeof reversalSchema>;

const postedSchema = Type.Object({
  ...transaction,
  wallets: Type.Array(walletReference, {
    description: "The wallets right after it, in the order in which the legs name them first.",
  }),
});

/** A transaction right after it was posted, as REST shows it. */
export type PostedBody = Static<typeof postedSchema>;

/** The path of one transaction. */
export const transactionPath = Type.Object({
  transaction_id: uuid("The transaction, as the header Transaction-Id named it"),
});

/** POST /transactions */
export const postTransaction = {
  operationId: "postTransaction",
  summary: "Move money along several legs at once",
  description:
    "A split, a fee, an exchange: all legs, or none. Legs of one wallet are netted. Every leg has a " +
    "wallet on at least one side, and you give every amount.",
  tags: ["money"],
  headers: Type.Object({
    ...idempotencyKey,
    ...noIfMatch("give the versions as expected_versions in the body"),
  }),
  body: exactObject({
    legs: Type.Array(exactObject({ from: side, to: side, amount }), {
      minItems: 1,
      maxItems: legsMax,
    }),
    expected_versions: Type.Optional(
      Type.Array(
        exactObject({
          wallet_id: uuid("A wallet of the legs"),
          version: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
        }),
        { maxItems: 2 * legsMax, description: "Act only if these wallets have these versions." },
      ),
    ),
    exchange: Type.Optional(
      exactObject(
        {
          rate: Type.Optional(Type.String({ maxLength: 50, pattern: textPattern })),
          quote_id: Type.Optional(Type.String({ maxLength: 255, pattern: textPattern })),
        },
        { description: "At which rate you exchange; recorded, and never computed with." },
      ),
    ),
    ...details,
  }),
  response: {
    201: json("The transaction.", postedSchema, { ...location, ...receiptHeaders }),
    ...problems(400, 404, 409, 413, 415, 422, 503, 504),
  },
};

/** POST /transactions/:transaction_id/reverse */
export const reverseTransaction = {
  operationId: "reverseTransaction",
  summary: "Take back a transaction",
  description:
    "The same legs the other way round: all that is left without a body, amount for a transaction of " +
    "one leg, or some amounts of some legs. A reversal cannot be reversed.",
  tags: ["money"],
  params: transactionPath,
  headers: Type.Object({
    ...idempotencyKey,
    ...noIfMatch("a reversal depends on no version, so leave it out"),
  }),
  body: exactObject(
    {
      amount: Type.Optional(amount),
      legs: Type.Optional(
        Type.Array(
          exactObject({ index: Type.Integer({ minimum: 0, maximum: legsMax - 1 }), amount }),
          { minItems: 1, maxItems: legsMax, description: "In the place of amount." },
        ),
      ),
      shortfall_account: Type.Optional(
        account("The account that pays what a wallet no longer has available."),
      ),
      ...details,
    },
    optionalBody,
  ),
  response: {
    201: json(
      "The transaction that takes back the other.",
      Type.Object({ ...postedSchema.properties, reversal: reversalSchema }),
      { ...location, ...receiptHeaders },
    ),
    ...problems(400, 404, 413, 415, 422, 503, 504),
  },
};
