import { type Amount, balanceMax, hasDecimals, isLess, parseAmount } from "./money.ts";

/** A row of the earlier version's table, its values as Postgres writes them. */
export interface EarlierRow {
  /** A UUID in lower case. */
  readonly id: string;
  readonly userId: string | null;
  readonly balance: string | null;
}

/** A wallet of the earlier version that this one can have. */
export interface EarlierWallet {
  readonly id: string;
  readonly userId: string;
  readonly balance: Amount;
}

/** The currency of everything that is imported. */
export interface ImportCurrency {
  readonly code: string;
  readonly decimals: number;
}

const userIdCharactersMax = 100;

/** Reads a row; what cannot be imported gets a sentence that says why, and what to do. */
export function readEarlierRow(
  { id, userId, balance: text }: EarlierRow,
  currency: ImportCurrency,
): EarlierWallet | { readonly problem: string } {
  if (userId === null || userId === "") {
    return { problem: "It has no user_id. Give it one in the earlier table." };
  }
  // As Postgres and the contract count them.
  const characters = [...userId].length;
  if (characters > userIdCharactersMax) {
    const most = `at most ${userIdCharactersMax} are possible`;
    return { problem: `Its user_id has ${characters} characters; ${most}. Give it a shorter one.` };
  }
  const balance = text === null ? "It has no balance." : readBalance(text, currency);
  if (typeof balance === "string") {
    return { problem: `${balance} Set it right in the earlier table.` };
  }
  return { id, userId, balance };
}

/** The balance, or what is wrong with it. */
function readBalance(text: string, { code, decimals }: ImportCurrency): Amount | string {
  if (!/^[0-9]+(\.[0-9]+)?$/.test(text)) {
    return text.startsWith("-") ? "Its balance is negative." : "Its balance is no number.";
  }
  // A column without a scale keeps the zeros that somebody wrote.
  const short = text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  const balance = parseAmount(short);
  if (balance !== undefined && hasDecimals(balance, decimals)) return balance;
  const whole = parseAmount(short.split(".", 1)[0] ?? "");
  return whole === undefined || isLess(balanceMax, whole)
    ? "Its balance is beyond 999999999999999.9999."
    : `Its balance has more than the ${decimals} decimals of ${code}.`;
}
