import { Type } from "typebox";
import { exactObject } from "./exact-object.ts";
import {
  amount,
  details,
  etag,
  metadata,
  reason,
  receiptHeaders,
  refusals,
  side,
  walletConditions,
} from "./mutation-parts.ts";
import { optionalBody } from "./optional-body.ts";
import { scopePattern } from "./rest-patterns.ts";
import { walletPath } from "./rest-schema-parts.ts";
import { walletAnswer, wholeWalletAnswer } from "./wallet-schema.ts";

const asked = { tags: ["wallets"], params: walletPath, headers: walletConditions };

/** PATCH /wallets/:id */
export const updateWallet = {
  ...asked,
  operationId: "updateWallet",
  summary: "Change a wallet's metadata and limits",
  description:
    "What is left out stays. metadata replaces all pairs: {} takes them all away. These pairs are the " +
    "wallet's; what is to be remembered with the change itself are reference and description.",
  body: exactObject({
    metadata: Type.Optional(metadata),
    limits: Type.Optional(
      exactObject({
        single_transfer_max: Type.Optional(
          Type.Unsafe<string | number | null>({
            ...amount,
            type: ["string", "number", "null"],
            description:
              "The most that may leave the wallet by one transfer, withdrawal or posted transaction, or be " +
              "set aside by one hold; null takes the limit away.",
          }),
        ),
      }),
    ),
    reference: details.reference,
    description: details.description,
  }),
  response: {
    200: { ...wholeWalletAnswer, headers: { ...etag, ...receiptHeaders } },
    ...refusals,
  },
};

/** POST /wallets/:id/freeze */
export const freezeWallet = {
  ...asked,
  operationId: "freezeWallet",
  summary: "Freeze a wallet",
  description: "Holds can still be released, and expire. Freezing again changes how far.",
  body: exactObject(
    {
      scope: Type.Optional(
        Type.String({
          pattern: scopePattern,
          default: "ALL",
          description: "ALL: no money moves; OUTGOING: money still comes in.",
          examples: ["OUTGOING"],
        }),
      ),
      ...reason,
      ...details,
    },
    optionalBody,
  ),
  response: { 200: walletAnswer, ...refusals },
};

/** POST /wallets/:id/unfreeze */
export const unfreezeWallet = {
  ...asked,
  operationId: "unfreezeWallet",
  summary: "Let a wallet's money move again",
  description: "The wallet is ACTIVE afterwards.",
  body: exactObject({ ...reason, ...details }, optionalBody),
  response: { 200: walletAnswer, ...refusals },
};

/** POST /wallets/:id/close */
export const closeWallet = {
  ...asked,
  operationId: "closeWallet",
  summary: "Close a wallet for good",
  description:
    "It has to be empty, or its money goes to sweep_to in the same transaction, for which the " +
    "scope transactions:write is needed as well. The answer is the closed wallet.",
  body: exactObject({ sweep_to: Type.Optional(side), ...reason, ...details }, optionalBody),
  response: { 200: walletAnswer, ...refusals },
};
