import type { Rules } from "../../wallet-service/src/decide/command.ts";
import { rulesOf } from "../../wallet-service/src/rules.ts";

/** The rules of the engine that is measured. */
export const rules: Rules = rulesOf({
  currencies: new Map([["USD", { decimals: 4 }]]),
  accounts: ["external"],
  hold_days_max: 31,
});
