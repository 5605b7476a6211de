import type { CurrencyRules, Rules } from "./decide/command.ts";
import { parseAmount } from "./money.ts";
import type { WalletServiceConfiguration } from "./wallet-service-configuration.ts";

const dayMs = 86_400_000;

/** The rules that the configuration makes for all commands. */
export function rulesOf(
  configuration: Pick<WalletServiceConfiguration, "currencies" | "accounts" | "hold_days_max">,
): Rules {
  const accounts = new Set(configuration.accounts);
  const currencies = new Map<string, CurrencyRules>();
  for (const [code, { decimals, transfer_amount_max: max }] of configuration.currencies) {
    currencies.set(code, { decimals, transferMax: max === undefined ? max : parseAmount(max) });
  }
  return {
    currencyOf: (currency) => currencies.get(currency),
    isAccount: (name) => accounts.has(name),
    holdLengthMaxMs: configuration.hold_days_max * dayMs,
  };
}
