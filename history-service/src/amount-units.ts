// Each amount has one spelling: no needless zero in front, and no negative zero.
const amountPattern = /^(?!-0\.0000)-?(?:0|[1-9][0-9]{0,14})\.[0-9]{4}$/;
const unitsPerOne = 10_000n;
const decimals = 4;

/** Reads an amount as the contract writes it, as ten-thousandths; undefined for anything else. */
export function unitsOf(text: string): bigint | undefined {
  if (!amountPattern.test(text)) return undefined;
  const point = text.length - decimals - 1;
  return BigInt(text.slice(0, point) + text.slice(point + 1));
}

/** Reads an amount of the database, where it cannot be anything else. */
export function storedUnits(text: string): bigint {
  const units = unitsOf(text);
  if (units === undefined) throw new Error("The database holds an amount that is none.");
  return units;
}

/** Writes ten-thousandths as the contract writes amounts, for example "25.5000". */
export function amountText(units: bigint): string {
  const size = units < 0n ? -units : units;
  const fraction = (size % unitsPerOne).toString().padStart(decimals, "0");
  return `${units < 0n ? "-" : ""}${size / unitsPerOne}.${fraction}`;
}
