import { expect, test } from "vitest";
import { errorViolations } from "./rpc-errors.ts";
import { invalidFields } from "./rpc-validation.ts";

test.each([
  ["amount", "must be a number", "amount: must be a number"],
  ["amount", "Amount must be greater than zero", "Amount must be greater than zero"],
  ["", "sender and receiver must differ", "sender and receiver must differ"],
])("a violation of %j, %j, reads %j", (field, description, message) => {
  const error = invalidFields([
    { field, description },
    { field: "other", description: "x" },
  ]);
  expect(error.rawMessage).toBe(message);
  expect(errorViolations(error)).toHaveLength(2);
});
