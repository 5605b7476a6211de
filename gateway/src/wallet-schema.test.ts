import { type DescMessage, getOption, hasOption } from "@bufbuild/protobuf";
import { field as fieldRules } from "@pelikuni/gen/buf/validate/validate_pb";
import {
  CreateWalletRequestSchema,
  ListWalletsRequestSchema,
  TransferRequestSchema,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { expect, test } from "vitest";
import { currencyPattern } from "./rest-patterns.ts";
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

test("the currency pattern of REST stands in the contract's rule", () => {
  const [rule] = rulesOf(CreateWalletRequestSchema, "currency").cel;
  expect(rule?.expression).toContain(currencyPattern);
});
