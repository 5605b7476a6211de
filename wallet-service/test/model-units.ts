import type { Amount } from "../src/money.ts";

/** Ten-thousandths as the contract writes an amount. */
export function written(units: bigint): string {
  const digits = (units < 0n ? -units : units).toString().padStart(5, "0");
  return `${units < 0n ? "-" : ""}${digits.slice(0, -4)}.${digits.slice(-4)}`;
}

/** The ten-thousandths of an amount that has four decimals, for example "-25.5000". */
export function unitsOf(amount: Amount | string): bigint {
  return BigInt((typeof amount === "string" ? amount : amount.toFixed(4)).replace(".", ""));
}
