import { expect, test } from "vitest";
import { amountText, detailsOf, expectedVersion, sideOf } from "./request-mapping.ts";
import { RestRefusal } from "./rest-errors.ts";

test.each([
  ["25.50", "25.50"],
  ["1e3", "1e3"],
  ["", ""],
  [10, "10"],
  [10.5, "10.5"],
  [0.0001, "0.0001"],
  [99_999_999_999.25, "99999999999.25"],
  [99_999_999_999, "99999999999"],
  [0, "0"],
  [-0, "0"],
  [-5, "0"],
  [-1e-7, "0"],
  [Number.NEGATIVE_INFINITY, "0"],
])("the amount %j goes to the wallet-service as %j", (amount, text) => {
  expect(amountText(amount)).toBe(text);
});

test.each([1e11, 1e21, 1e300, Number.POSITIVE_INFINITY, Number.NaN, 0.00001, 1e-7, 10.12345])(
  "the amount %d is refused as a number, with the advice to send a string",
  (amount) => {
    expect(() => amountText(amount)).toThrow(RestRefusal);
    expect(() => amountText(amount)).toThrow("send it as a string");
  },
);

test("If-Match names the expected version, and a star names none", () => {
  expect(expectedVersion('"0"')).toBe(0n);
  expect(expectedVersion('"999999999999999999"')).toBe(999_999_999_999_999_999n);
  expect(expectedVersion("*")).toBeUndefined();
  expect(expectedVersion(undefined)).toBeUndefined();
});

test("a body with nothing to remember has no details, so that its repeat may leave them out", () => {
  expect(detailsOf({})).toEqual({});
  expect(detailsOf({ reference: "", description: "", metadata: {} })).toEqual({});
  expect(detailsOf({ metadata: { order: "1" } })).toEqual({
    details: { reference: "", description: "", metadata: { order: "1" } },
  });
});

test("a side is a wallet or an account, and neither both nor none", () => {
  expect(sideOf({ account: "fees" }, "to")).toEqual({ side: { case: "account", value: "fees" } });
  expect(sideOf({ wallet_id: "w" }, "to")).toEqual({ side: { case: "walletId", value: "w" } });
  for (const side of [{}, { wallet_id: "w", account: "fees" }]) {
    expect(() => sideOf(side, "legs[1].to")).toThrow("legs[1].to: must have either");
  }
});
