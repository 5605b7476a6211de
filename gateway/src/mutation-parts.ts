import { type TOptional, type TString, type TUnsafe, Type } from "typebox";
import { exactObject } from "./exact-object.ts";
import { ifMatchPattern, keyPattern, textPattern } from "./rest-patterns.ts";
import { problems, uuid } from "./rest-schema-parts.ts";

/** The largest body of a request that may carry lists, or details in any script, in bytes. */
export const longBodyBytesMax = 262_144;

const metadataPairsMax = 16;
const metadataKeyMax = 40;
const metadataValueMax = 500;

/** An amount as a request gives it. */
export const amount = Type.Unsafe<string | number>({
  type: ["string", "number"],
  description:
    "Greater than zero, up to 15 digits and up to 4 decimals. Better a string: a JSON number counts " +
    "by its shortest form, and is accepted below 100000000000.",
  examples: ["25.50"],
});

/** Free pairs of texts, as a request gives them. */
export const metadata = Type.Unsafe<Record<string, string>>({
  type: "object",
  maxProperties: metadataPairsMax,
  propertyNames: { type: "string", minLength: 1, maxLength: metadataKeyMax, pattern: textPattern },
  additionalProperties: { type: "string", maxLength: metadataValueMax, pattern: textPattern },
  description: "Free pairs: at most 16, keys of 1 to 40 characters, values of at most 500.",
  examples: [{ order: "4711" }],
});

/** What the caller wants remembered with a change; part of each mutation's body. */
export const details = {
  reference: Type.Optional(
    Type.String({
      maxLength: 255,
      pattern: textPattern,
      description:
        "Your own name for it, like an invoice's. Where money comes in from outside it acts once, for " +
        "ever: 422 REFERENCE_ALREADY_USED the second time.",
      examples: ["invoice-4711"],
    }),
  ),
  description: Type.Optional(
    Type.String({ maxLength: 500, pattern: textPattern, description: "A text for people." }),
  ),
  metadata: Type.Optional(metadata),
};

/** Why a wallet's status changes; part of a body. */
export const reason = {
  reason: Type.Optional(
    Type.String({
      maxLength: 500,
      pattern: textPattern,
      description: "Why, in your words; it appears in history.",
    }),
  ),
};

/** An account outside the wallets, as a request names it. */
export function account(description: string): TString {
  return Type.String({
    maxLength: 50,
    pattern: textPattern,
    description: `${description} One of those that GET /accounts lists.`,
    examples: ["bank"],
  });
}

/** One end of a movement of money. */
export const side = exactObject(
  {
    wallet_id: Type.Optional(uuid("A wallet")),
    account: Type.Optional(account("An account outside the wallets.")),
  },
  { description: "Either a wallet or an account outside the wallets." },
);

/** The header that makes a mutation safe to repeat. */
export const idempotencyKey = {
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

/**
 * The header that makes a mutation depend on a version.
 *
 * @param wallet whose version it is, for example "the wallet in the path"
 */
export function ifMatch(wallet: string): { "If-Match": TOptional<TString> } {
  return {
    "If-Match": Type.Optional(
      Type.String({
        pattern: ifMatchPattern,
        description: `Act only if ${wallet} has this version; * means any.`,
        examples: ['"3"'],
      }),
    ),
  };
}

/**
 * The header of `ifMatch` where a mutation cannot honour it: ignoring it would act on a version that
 * the caller did not mean.
 *
 * @param instead what the caller is to do, for example "leave it out"
 */
export function noIfMatch(instead: string): { "If-Match": TOptional<TUnsafe<string>> } {
  const description = `If-Match is not taken here: ${instead}`;
  return {
    "If-Match": Type.Optional(Type.Unsafe<string>({ type: "string", not: {}, description })),
  };
}

/** The headers of a mutation of the wallet in the path. */
export const walletConditions = Type.Object({
  ...idempotencyKey,
  ...ifMatch("the wallet in the path"),
});

/** The headers that every committed mutation answers. */
export const receiptHeaders = {
  "Transaction-Id": Type.String({ format: "uuid", description: "The transaction's UUIDv7." }),
  Position: Type.String({ description: "Its place in the journal, dense from 1." }),
};

/** The header that carries a wallet's version. */
export const etag = {
  ETag: Type.String({ description: 'The version in double quotes, like "3".' }),
};

/** The header that says where something new is. */
export const location = { Location: Type.String({ description: "Its path." }) };

/** Why a change of a wallet, or of a hold of it, is not made. */
export const refusals = problems(400, 404, 412, 413, 415, 422, 503, 504);
