import type { Readable } from "node:stream";
import { type Static, Type } from "typebox";
import { holdReference } from "./hold-schema.ts";
import { directionPattern, formatPattern, kindsPattern } from "./rest-patterns.ts";
import {
  completeTo,
  decimal,
  instant,
  json,
  link,
  minPosition,
  pageQuery,
  problems,
  walletPath,
} from "./rest-schema-parts.ts";
import { reversalSchema, transaction, transactionPath } from "./transaction-schema.ts";
import { settings } from "./wallet-schema.ts";

/** The number of entries on a page when the client does not say. */
export const entriesDefault = 100;

const changed = {
  wallet_id: Type.String({ format: "uuid", description: "The wallet: UUIDv7 in lower case." }),
  user_id: Type.String({ description: "The owner, 1 to 100 characters." }),
  currency: Type.String({ description: "The wallet's currency.", examples: ["USD"] }),
  balance: decimal("The balance after the change, with four decimals."),
  held: decimal("What was set aside of it after the change, with four decimals."),
  status: Type.String({ description: "The status after the change.", examples: ["ACTIVE"] }),
  version: Type.Integer({ description: "The version after the change; without a gap from 0." }),
};

/** What kind of change a transaction is. */
export const kind = Type.String({
  description:
    "wallet_created, wallet_funded, transfer_completed, transaction_posted, hold_placed, " +
    "hold_released, wallet_status_changed or wallet_updated; more may come.",
  examples: ["wallet_funded"],
});

/** What the caller wanted remembered with a change; empty where there is nothing. */
export const remembered = {
  reference: Type.String({ description: "The caller's own name for it; empty if none." }),
  description: Type.String({ description: "A text for people; empty if none." }),
  metadata: Type.Record(Type.String(), Type.String(), { description: "Free pairs." }),
};

/** The part of a query that says which entries come, and which first. */
export const periodAndOrder = {
  from: Type.Optional(instant("Only what occurred at this instant or later.")),
  to: Type.Optional(instant("Only what occurred before this instant.")),
  direction: Type.Optional(
    Type.String({
      pattern: directionPattern,
      default: "newest",
      description: "Which entries come first.",
    }),
  ),
};

const requestId = Type.String({
  description:
    "The Idempotency-Key; empty if there was none, and without the scope history:read where somebody " +
    "else gave it.",
});
const actor = Type.Optional(
  Type.Object(
    {
      issuer: Type.String({ description: "Who says who he is: an issuer of tokens, api-key, …" }),
      subject: Type.String({ description: "Who he is, unique within the issuer." }),
      client: Type.String({ description: "The program in his hands; empty if nothing says so." }),
    },
    {
      description:
        "Who asked for it. Absent for what the service does by itself, where nobody has to say who " +
        "he is, and without the scope history:read where it was somebody else.",
    },
  ),
);
const head = Type.String({
  description:
    "SHA-256 over the event's bytes, in hexadecimal; empty without the scope history:read.",
});
const available = decimal("What could be spent after the change, with four decimals.");
const signedAmount = decimal("What was added to the balance; negative when money went out.");

/** What happened to one wallet in one transaction, as REST shows it. */
export const entrySchema = Type.Object(
  {
    ...changed,
    available,
    ...transaction,
    kind,
    amount: signedAmount,
    request_id: requestId,
    actor,
    head,
    ...remembered,
    hold_id: Type.String({
      description: "The hold placed, captured, released or expired; empty if none.",
    }),
    reverses_transaction_id: Type.String({
      description: "The transaction that this one takes back; empty if none.",
    }),
  },
  { $id: "Entry", description: "What happened to one wallet in one transaction." },
);

/** What happened to one wallet in one transaction, as REST shows it. */
export type EntryBody = Static<typeof entrySchema>;

const entryReference = Type.Unsafe<EntryBody>({ $ref: "Entry#" });

const balanceSchema = Type.Object({ ...changed, available, ...transaction });

/** What a wallet held at an instant; transaction, position and instant are those of its change. */
export type BalanceBody = Static<typeof balanceSchema>;

const side = Type.Object(
  { wallet_id: Type.Optional(Type.String()), account: Type.Optional(Type.String()) },
  { description: "A wallet, or an account outside of all wallets." },
);

const transactionSchema = Type.Object({
  ...transaction,
  kind,
  request_id: requestId,
  actor,
  legs: Type.Array(
    Type.Object({ from: side, to: side, amount: decimal("How much."), currency: changed.currency }),
  ),
  changes: Type.Array(
    Type.Object({
      ...changed,
      amount: signedAmount,
      previous_head: Type.String({
        description: "The wallet's head before, in hexadecimal; empty without history:read.",
      }),
    }),
  ),
  head,
  event_bytes: Type.String({
    description: "The event as it was hashed and stored, in Base64; empty without history:read.",
  }),
  ...remembered,
  hold: Type.Optional(holdReference),
  reversal: Type.Optional(reversalSchema),
  exchange: Type.Optional(Type.Object({ rate: Type.String(), quote_id: Type.String() })),
  reason: Type.Optional(Type.String({ description: "Why the wallet's status was changed." })),
  settings: Type.Optional(
    Type.Object(settings, { description: "What is kept beside the wallet after the change." }),
  ),
  reversed_by: Type.Array(
    Type.Object({
      transaction_id: transaction.transaction_id,
      position: transaction.position,
      legs: reversalSchema.properties.legs,
    }),
    { description: "The transactions that take it back, in their order." },
  ),
});

/** One transaction as REST shows it. */
export type TransactionBody = Static<typeof transactionSchema>;

const statementSchema = Type.Object({
  wallet_id: changed.wallet_id,
  user_id: changed.user_id,
  currency: changed.currency,
  from: Type.String({ format: "date-time" }),
  to: Type.String({ format: "date-time" }),
  opening_balance: decimal("The balance before the period; 0.0000 before the wallet existed."),
  entries: Type.Array(entryReference, { description: "Oldest first." }),
  closing_balance: decimal("The opening balance and the amounts of all entries."),
  entry_count: Type.Integer(),
  total_in: decimal("What came in."),
  total_out: decimal("What went out, not negative."),
  complete_to: Type.Integer({ description: "History was complete up to this position." }),
});

/** GET /wallets/:id/history */
export const listHistory = {
  operationId: "listHistory",
  summary: "List what happened to a wallet",
  description: "One entry for each version. Pages stay whole while new entries arrive.",
  tags: ["history"],
  params: walletPath,
  querystring: Type.Object({
    ...periodAndOrder,
    kind: Type.Optional(
      Type.String({
        pattern: kindsPattern,
        description: "Only these kinds, with commas between them.",
        examples: ["wallet_funded,transfer_completed"],
      }),
    ),
    ...pageQuery("entries", entriesDefault),
    ...minPosition,
  }),
  response: {
    200: json("One page of entries.", Type.Array(entryReference), { ...link, ...completeTo }),
    ...problems(400, 404, 503, 504),
  },
};

/** GET /wallets/:id/balance */
export const getBalance = {
  operationId: "getBalance",
  summary: "Read what a wallet held at an instant",
  description: "404 when the wallet did not exist then.",
  tags: ["history"],
  params: walletPath,
  querystring: Type.Object({
    at: Type.Optional(instant("Changes of this very instant are included. Now when left out.")),
    ...minPosition,
  }),
  response: {
    200: json("The balance, with the change that made it so.", balanceSchema, completeTo),
    ...problems(400, 404, 503, 504),
  },
};

/** GET /wallets/:id/statement */
export const getStatement = {
  operationId: "getStatement",
  summary: "Make a statement of a period",
  description:
    "Opening balance, entries and closing balance, of any length. As CSV with Accept: text/csv or " +
    "format=csv: the first row is the opening and the last one the closing; texts of callers that a " +
    "spreadsheet would take for a formula begin with an apostrophe. An answer that breaks off ends " +
    "without its closing.",
  tags: ["history"],
  params: walletPath,
  querystring: Type.Object({
    from: instant("The period's first instant."),
    to: instant("The first instant after the period."),
    format: Type.Optional(
      Type.String({ pattern: formatPattern, description: "json or csv; goes before Accept." }),
    ),
    ...minPosition,
  }),
  response: {
    200: {
      description: "The statement.",
      headers: completeTo,
      content: {
        "application/json": { schema: Type.Unsafe<Readable>(statementSchema) },
        "text/csv": { schema: Type.Unsafe<Readable>(Type.String()) },
      },
    },
    ...problems(400, 404, 500, 503, 504),
  },
};

/** GET /transactions/:transaction_id */
export const getTransaction = {
  operationId: "getTransaction",
  summary: "Read a transaction",
  description: "What moved, what each wallet became, and the bytes that prove it.",
  tags: ["history"],
  params: transactionPath,
  querystring: Type.Object(minPosition),
  response: {
    200: json("The transaction.", transactionSchema, {}),
    ...problems(400, 404, 500, 503, 504),
  },
};
