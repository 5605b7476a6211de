import { type Static, Type } from "typebox";
import { kind, periodAndOrder, remembered } from "./history-schema.ts";
import { currencyPattern, positionPattern, textPattern } from "./rest-patterns.ts";
import {
  completeTo,
  decimal,
  instant,
  json,
  link,
  minPosition,
  pageQuery,
  problems,
} from "./rest-schema-parts.ts";
import { transaction } from "./transaction-schema.ts";

/** The number of entries on a page when the client does not say. */
export const accountEntriesDefault = 100;

const tags = ["accounts"];
const accountName = Type.String({ description: "The account's name.", examples: ["fees"] });
const currency = Type.String({ description: "The currency.", examples: ["USD"] });
const accountPath = Type.Object({
  account: Type.String({
    minLength: 1,
    maxLength: 50,
    pattern: textPattern,
    description: "The account's name; one that nothing has touched has nothing but zeros.",
    examples: ["fees"],
  }),
});

const totalSchema = Type.Object({
  account: accountName,
  currency,
  total: decimal("What came in less what went out; negative where money comes from."),
  total_in: decimal("What came from wallets."),
  total_out: decimal("What went to wallets, not negative."),
});

const accountEntrySchema = Type.Object({
  account: accountName,
  currency,
  amount: decimal("What the leg added to the account; negative when money went to the wallet."),
  wallet_id: Type.String({ format: "uuid", description: "The wallet on the other side." }),
  ...transaction,
  leg_index: Type.Integer({ description: "The leg's place in the transaction, from 0." }),
  kind,
  ...remembered,
});

/** One leg between an account outside and a wallet, as REST shows it. */
export type AccountEntryBody = Static<typeof accountEntrySchema>;

/** GET /currencies */
export const listCurrencies = {
  operationId: "listCurrencies",
  summary: "List the currencies that wallets may have",
  description: "Those configured, by code.",
  tags,
  response: {
    200: json(
      "The currencies.",
      Type.Array(
        Type.Object({
          code: currency,
          decimals: Type.Integer({ description: "How many decimals an amount may have, 0 to 4." }),
          transfer_amount_max: Type.Optional(
            decimal("The most that may leave a wallet at once; left out where there is no limit."),
          ),
        }),
      ),
      {},
    ),
    ...problems(503, 504),
  },
};

/** GET /accounts */
export const listAccounts = {
  operationId: "listAccounts",
  summary: "List the accounts outside the wallets",
  description: "Those configured, by name.",
  tags,
  response: {
    200: json("The accounts.", Type.Array(Type.Object({ name: accountName })), {}),
    ...problems(503, 504),
  },
};

/** GET /accounts/:account/total */
export const getAccountTotal = {
  operationId: "getAccountTotal",
  summary: "Read what an account adds up to",
  description: "Made from the legs, and exact; as far as history is complete unless it says when.",
  tags,
  params: accountPath,
  querystring: Type.Object({
    currency: Type.String({
      pattern: currencyPattern,
      description: "The currency.",
      examples: ["USD"],
    }),
    at: Type.Optional(instant("What occurred at this very instant is included.")),
    position: Type.Optional(
      Type.String({
        pattern: positionPattern,
        description: "Everything up to this position, in the place of at.",
      }),
    ),
    ...minPosition,
  }),
  response: {
    200: json("The total.", totalSchema, completeTo),
    ...problems(400, 503, 504),
  },
};

/** GET /accounts/:account/entries */
export const listAccountEntries = {
  operationId: "listAccountEntries",
  summary: "List the legs of an account",
  description: "By position, then by leg. Pages stay whole while new entries arrive.",
  tags,
  params: accountPath,
  querystring: Type.Object({
    currency: Type.Optional(
      Type.String({ pattern: currencyPattern, description: "Only this currency." }),
    ),
    ...periodAndOrder,
    ...pageQuery("entries", accountEntriesDefault),
    ...minPosition,
  }),
  response: {
    200: json("One page of entries.", Type.Array(accountEntrySchema), { ...link, ...completeTo }),
    ...problems(400, 503, 504),
  },
};
