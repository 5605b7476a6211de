import fc from "fast-check";
import { expect, test } from "vitest";
import { add, formatAmount, isLess, parseAmount, subtract, zero } from "./money.ts";

test.each(["0", "1", "0.1", "25.50", "0.0001", "999999999999999.9999"])(
  "%s is an amount",
  (text) => {
    expect(parseAmount(text)).toBeDefined();
  },
);

test.each([
  ["", "nothing"],
  ["-1", "a sign"],
  ["+1", "a sign"],
  ["1e3", "an exponent"],
  ["NaN", "no number"],
  ["0x10", "hexadecimal"],
  ["01", "a leading zero"],
  [".5", "no digit in front of the point"],
  ["1.", "no digit behind the point"],
  ["1.23456", "five decimals"],
  ["1234567890123456", "sixteen digits"],
  ["1,5", "a comma"],
  [" 1", "a space"],
  ["1\n", "a line break"],
  ["١", "a digit of another script"],
])("%j is no amount: %s", (text) => {
  expect(parseAmount(text)).toBeUndefined();
});

// In units of a ten-thousandth, up to the largest balance.
const units = fc.bigInt({ min: 0n, max: 9_999_999_999_999_999_999n });

function written(value: bigint): string {
  const digits = value.toString().padStart(5, "0");
  return `${digits.slice(0, -4)}.${digits.slice(-4)}`;
}

test("sums and differences are exact in every amount that a wallet can hold", () => {
  fc.assert(
    fc.property(units, units, (left, right) => {
      const [small, large] = left < right ? [left, right] : [right, left];
      const less = parseAmount(written(small)) ?? zero;
      const more = parseAmount(written(large)) ?? zero;
      expect(formatAmount(less)).toBe(written(small));
      expect(formatAmount(add(less, more))).toBe(written(small + large));
      expect(formatAmount(subtract(more, less))).toBe(written(large - small));
      expect(isLess(less, more)).toBe(small < large);
    }),
    { numRuns: 2_000 },
  );
});
