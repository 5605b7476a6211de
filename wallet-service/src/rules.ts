import type { Rules } from "./decide/command.ts";
import type { WalletServiceConfiguration } from "./wallet-service-configuration.ts";

const dayMs = 86_400_000;

/** The rules that the configuration makes for all commands. */
export function rulesOf(
  configuration: Pick<WalletServiceConfiguration, "currencies" | "accounts" | "hold_days_max">,
): Rules {
  const accounts = new Set(configuration.accounts);
  return {
    decimalsOf: (currency) => configuration.currencies.get(currency),
    isAccount: (name) => accounts.has(name),
    holdLengthMaxMs: configuration.hold_days_max * dayMs,
  };
}
