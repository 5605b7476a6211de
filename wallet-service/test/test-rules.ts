import { rulesOf } from "../src/rules.ts";

/** Rules of the tests: currencies with four, no and three decimals. */
export const testRules = rulesOf({
  currencies: new Map(Object.entries({ USD: 4, EUR: 4, JPY: 0, KWD: 3 })),
  accounts: ["external", "bank", "fees", "fx"],
  hold_days_max: 31,
});
