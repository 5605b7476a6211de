import { STATUS_CODES } from "node:http";
import {
  type Static,
  type TInteger,
  type TOptional,
  type TSchema,
  type TString,
  Type,
} from "typebox";
import { instantPattern, positionPattern, textPattern, uuidPattern } from "./rest-patterns.ts";

/** Why a request was not carried out: RFC 9457, media type application/problem+json. */
export const problemSchema = Type.Object(
  {
    type: Type.String({ description: "Always about:blank: the reason says what went wrong." }),
    title: Type.String({ description: "The status in words." }),
    status: Type.Integer({ description: "The HTTP status." }),
    detail: Type.String({ description: "What happened and what to change, for a person." }),
    reason: Type.String({
      description: "What happened, for a program.",
      examples: ["INSUFFICIENT_BALANCE"],
    }),
    errors: Type.Optional(
      Type.Array(Type.Object({ field: Type.String(), detail: Type.String() }), {
        description: "The fields to blame, at most 20.",
      }),
    ),
  },
  { $id: "Problem", description: "Why a request was not carried out." },
);

/** Why a request was not carried out. */
export type ProblemBody = Static<typeof problemSchema>;

const problemReference = Type.Unsafe<ProblemBody>({ $ref: "Problem#" });

/** An id as a request gives it, for example of "The wallet". */
export function uuid(description: string): TString {
  return Type.String({
    format: "uuid",
    pattern: uuidPattern,
    description: `${description}: a UUID in either case.`,
  });
}

/** The path of one wallet. */
export const walletPath = Type.Object({ id: uuid("The wallet") });

/** The most items on one page. */
export const pageSizeMax = 1_000;

/**
 * What a query says of the page that it asks for.
 *
 * @param items what is listed, for example "wallets"
 * @param sizeDefault how many there are on a page when the client does not say
 */
export function pageQuery(
  items: string,
  sizeDefault: number,
): { page_size: TOptional<TInteger>; page_token: TOptional<TString> } {
  return {
    page_size: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: pageSizeMax,
        default: sizeDefault,
        description: `The most ${items} to answer with.`,
      }),
    ),
    page_token: Type.Optional(
      Type.String({
        maxLength: 200,
        pattern: textPattern,
        description: 'From the Link header with rel="next"; opaque. Without it, the first page.',
      }),
    ),
  };
}

/** The part of a query that makes a read wait for history. */
export const minPosition = {
  min_position: Type.Optional(
    Type.String({
      pattern: positionPattern,
      description:
        "Answer only once history is complete up to this position: give the header Position of a " +
        "change to see it. 503 NOT_COMPLETE_YET when that takes too long.",
      examples: ["4711"],
    }),
  ),
};

/** The header that says how far an answer of history reaches. */
export const completeTo = {
  "History-Complete-To": Type.String({
    description: "The answer holds everything up to this position.",
  }),
};

/** An instant as a request gives it. */
export function instant(description: string): TString {
  return Type.String({
    pattern: instantPattern,
    description: `${description} In RFC 3339; a day, like 2026-01-31, is its beginning in UTC.`,
    examples: ["2026-01-31T09:30:00Z"],
  });
}

/** The header that leads to the next page. */
export const link = {
  Link: Type.String({ description: 'The next page, rel="next"; none on the last.' }),
};

const problemMeanings = {
  401: "UNAUTHENTICATED: no token or API key, or one that is refused: detail says why.",
  403: "PERMISSION_DENIED: the caller lacks a scope, which detail names.",
  400: "A field breaks its rule, or the state of the wallets does not allow it: see reason.",
  404: "WALLET_NOT_FOUND, HOLD_NOT_FOUND, TRANSACTION_NOT_FOUND or API_KEY_NOT_FOUND.",
  409: "VERSION_CONFLICT: a wallet has another version than expected_versions say.",
  412: "VERSION_CONFLICT: If-Match is not the wallet's version.",
  413: "BODY_TOO_LARGE",
  415: "UNSUPPORTED_MEDIA_TYPE: send JSON.",
  422:
    "REQUEST_ID_REUSED: the Idempotency-Key belongs to a request with other input. " +
    "REFERENCE_ALREADY_USED: money came in under this reference before; detail names the transaction. " +
    "API_KEY_ALREADY_CREATED: the Idempotency-Key has created a key; detail names it.",
  429:
    "RATE_LIMITED: the caller asks for more than he may. Nothing was done; repeat after Retry-After's " +
    "seconds.",
  500:
    "HISTORY_DAMAGED: what is stored of the wallet was changed by hand, and detail says at which " +
    "version; or INTERNAL.",
  503:
    "OVERLOADED, DATABASE_UNAVAILABLE, OUTCOME_UNKNOWN, NOT_COMPLETE_YET or UNAVAILABLE: a read, and " +
    "what has an Idempotency-Key, may be repeated, after Retry-After's seconds if it is there.",
  504: "DEADLINE_EXCEEDED: the outcome is unknown; repeat with the same Idempotency-Key.",
} as const;

/** What may be answered by any route that calls a service. */
const everywhere = [401, 403, 429] as const;

type ProblemStatus = keyof typeof problemMeanings;

/** An amount as REST answers it. */
export function decimal(description: string): TString {
  return Type.String({ description, examples: ["100.0000"] });
}

/** A successful answer in JSON. */
export function json<Schema extends TSchema>(
  description: string,
  schema: Schema,
  headers: Readonly<Record<string, TSchema>>,
): JsonResponse<Schema> {
  return { description, headers, content: { "application/json": { schema } } };
}

/** How a successful answer in JSON is described. */
export interface JsonResponse<Schema extends TSchema> {
  readonly description: string;
  readonly headers: Readonly<Record<string, TSchema>>;
  readonly content: { readonly "application/json": { readonly schema: Schema } };
}

/** The answers to a request that is not carried out. */
export function problems(...statuses: readonly ProblemStatus[]): Record<string, object> {
  const content = { "application/problem+json": { schema: problemReference } };
  return Object.fromEntries(
    [...everywhere, ...statuses].map((status) => {
      const description = `${STATUS_CODES[status]}. ${problemMeanings[status]}`;
      return [status, { description, content }];
    }),
  );
}
