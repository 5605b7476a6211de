import { rulesOf } from "../src/rules.ts";

/** Rules of the tests: currencies with four, no and three decimals; one has a limit. */
export const testRules = rulesOf({
  currencies: new Map([
    ["USD", { decimals: 4 }],
    ["EUR", { decimals: 4 }],
    ["JPY", { decimals: 0, transfer_amount_max: "25" }],
    ["KWD", { decimals: 3 }],
  ]),
  accounts: ["external", "bank", "fees", "fx"],
  hold_days_max: 31,
});
