import { loadConfiguration } from "@pelikuni/runtime/configuration";
import { expect, test } from "vitest";
import { walletServiceSchema } from "./wallet-service-configuration.ts";

function currenciesWith(variables: Record<string, string>): Record<string, number> {
  const environment = { APP__WALLET_SERVICE__DATABASE__URL: "postgres://db/x", ...variables };
  const { currencies } = loadConfiguration("wallet_service", walletServiceSchema, { environment });
  return Object.fromEntries([...currencies].map(([code, { decimals }]) => [code, decimals]));
}

test("currencies have the decimals of ISO 4217 unless others are given", () => {
  const defaults = currenciesWith({});
  expect(defaults).toEqual({ USD: 4, EUR: 2, GBP: 2, CHF: 2, JPY: 0, KWD: 3 });
  const added = {
    APP__WALLET_SERVICE__CURRENCIES__POINTS__DECIMALS: "0",
    APP__WALLET_SERVICE__CURRENCIES__USD__DECIMALS: "2",
    APP__WALLET_SERVICE__CURRENCIES__IQD: "{}",
  };
  expect(currenciesWith(added)).toEqual({ ...defaults, USD: 2, POINTS: 0, IQD: 3 });
});

test("a limit of transfers leaves a currency its decimals", () => {
  const limit = { APP__WALLET_SERVICE__CURRENCIES__USD__TRANSFER_AMOUNT_MAX: "50" };
  expect(currenciesWith(limit)).toEqual(currenciesWith({}));
});

test.each(["0", "-1", "1e4", "ten", "0.00001"])("%s is no limit of transfers", (limit) => {
  const variable = "APP__WALLET_SERVICE__CURRENCIES__USD__TRANSFER_AMOUNT_MAX";
  expect(() => currenciesWith({ [variable]: limit })).toThrow("must be an amount above zero");
});

test("a currency of the company's own must give its decimals", () => {
  expect(() => currenciesWith({ APP__WALLET_SERVICE__CURRENCIES__POINTS: "{}" })).toThrow(
    "wallet_service.currencies.points.decimals (variable APP__WALLET_SERVICE__CURRENCIES__POINTS): " +
      "is not in ISO 4217: give its decimals, 0 to 4",
  );
});
