import { Decimal } from "decimal.js";

/**
 * An exact amount of money with at most four decimals; may be negative inside, never at the edges.
 * Only this module knows how it is represented.
 */
export type Amount = Decimal;

// The largest balance has 19 digits; sums of many legs have a few more. Nothing is ever rounded.
const Exact = Decimal.clone({ precision: 40 });

const amountPattern = /^(0|[1-9][0-9]{0,14})(\.[0-9]{1,4})?$/;

/** No money. */
export const zero: Amount = new Exact(0);

// Most wallets hold back nothing: their zero is formatted with every change.
const zeroText = "0.0000";

/** The largest balance that a wallet can have: what `numeric(19,4)` holds. */
export const balanceMax: Amount = new Exact("999999999999999.9999");

/**
 * Reads an amount in the contract's grammar: up to 15 digits and up to four decimals, no sign, no
 * exponent. `undefined` for anything else. Zero is an amount.
 */
export function parseAmount(text: string): Amount | undefined {
  return amountPattern.test(text) ? new Exact(text) : undefined;
}

/** Reads an amount that Postgres or an event wrote; it may be negative. */
export function storedAmount(text: string): Amount {
  return text === zeroText ? zero : new Exact(text);
}

/** The sum of two amounts. */
export function add(left: Amount, right: Amount): Amount {
  return left.plus(right);
}

/** `left - right`. */
export function subtract(left: Amount, right: Amount): Amount {
  return left.minus(right);
}

/** Whether `left` is smaller than `right`. */
export function isLess(left: Amount, right: Amount): boolean {
  return left.lessThan(right);
}

/** Whether the amount is no money. */
export function isZero(amount: Amount): boolean {
  return amount.isZero();
}

/** Whether the amount can be written with so many decimals. */
export function hasDecimals(amount: Amount, decimals: number): boolean {
  return amount.decimalPlaces() <= decimals;
}

/** The amount with exactly four decimals, for example "25.5000"; how it is stored and sent. */
export function formatAmount(amount: Amount): string {
  return amount === zero ? zeroText : amount.toFixed(4);
}
