import { type DescMessage, getOption, hasOption } from "@bufbuild/protobuf";
import { field as fieldRules } from "@pelikuni/gen/buf/validate/validate_pb";
import { DetailsSchema } from "@pelikuni/gen/wallet/v1/wallet_pb";
import {
  CreateWalletRequestSchema,
  FreezeWalletRequestSchema,
  FundWalletRequestSchema,
  ListWalletsRequestSchema,
  PostTransactionRequestSchema,
  TransferRequestSchema,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { expect, test } from "vitest";
import { details, metadata, reason, side } from "./mutation-parts.ts";
import { currencyPattern } from "./rest-patterns.ts";
import { postTransaction } from "./transaction-schema.ts";
import { createWallet, listWallets, transfer } from "./wallet-schema.ts";

function rulesOf(message: DescMessage, name: string) {
  const field = message.fields.find((one) => one.name === name);
  if (field === undefined || !hasOption(field, fieldRules)) throw new Error(`No rules: ${name}`);
  return getOption(field, fieldRules);
}

test("the limits that REST shows are those of the contract", () => {
  const userId = rulesOf(CreateWalletRequestSchema, "user_id").type;
  const key = rulesOf(TransferRequestSchema, "request_id").type;
  const token = rulesOf(ListWalletsRequestSchema, "page_token").type;
  const size = rulesOf(ListWalletsRequestSchema, "page_size").type;
  if (userId.case !== "string" || key.case !== "string" || token.case !== "string")
    throw new Error();
  if (size.case !== "int32") throw new Error();
  expect(createWallet.body.properties.user_id).toMatchObject({
    minLength: Number(userId.value.minLen),
    maxLength: Number(userId.value.maxLen),
  });
  expect(transfer.headers.properties["Idempotency-Key"]).toMatchObject({
    maxLength: Number(key.value.maxLen),
  });
  expect(listWallets.querystring.properties.page_token).toMatchObject({
    maxLength: Number(token.value.maxLen),
  });
  expect(listWallets.querystring.properties.page_size).toMatchObject({
    maximum: size.value.lessThan.value,
  });
});

test("the limits of details, and of lists, are those of the contract", () => {
  const rulesOfText = (message: DescMessage, name: string): { maxLength: number } => {
    const { type } = rulesOf(message, name);
    if (type.case !== "string") throw new Error(`No text: ${name}`);
    return { maxLength: Number(type.value.maxLen) };
  };
  expect(details.reference).toMatchObject(rulesOfText(DetailsSchema, "reference"));
  expect(details.description).toMatchObject(rulesOfText(DetailsSchema, "description"));
  expect(reason.reason).toMatchObject(rulesOfText(FreezeWalletRequestSchema, "reason"));
  expect(side.properties.account).toMatchObject(rulesOfText(FundWalletRequestSchema, "source"));
  const pairs = rulesOf(DetailsSchema, "metadata").type;
  const legs = rulesOf(PostTransactionRequestSchema, "legs").type;
  if (pairs.case !== "map" || legs.case !== "repeated") throw new Error();
  const [keys, values] = [pairs.value.keys?.type, pairs.value.values?.type];
  if (keys?.case !== "string" || values?.case !== "string") throw new Error();
  expect(metadata).toMatchObject({
    maxProperties: Number(pairs.value.maxPairs),
    propertyNames: { minLength: Number(keys.value.minLen), maxLength: Number(keys.value.maxLen) },
    additionalProperties: { maxLength: Number(values.value.maxLen) },
  });
  expect(postTransaction.body.properties.legs).toMatchObject({
    minItems: Number(legs.value.minItems),
    maxItems: Number(legs.value.maxItems),
  });
});

test("the currency pattern of REST stands in the contract's rule", () => {
  const [rule] = rulesOf(CreateWalletRequestSchema, "currency").cel;
  expect(rule?.expression).toContain(currencyPattern);
});
