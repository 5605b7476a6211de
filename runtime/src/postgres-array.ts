/** What an array for Postgres may hold; bytes go into a bytea[], dates into a timestamptz[]. */
export type ArrayElement = string | bigint | Uint8Array | Date | null;

/**
 * Writes an array as Postgres reads it (PostgreSQL manual, section "Array Input and Output"). The
 * driver's own arrays need the types of the server, whose look-up ends in an unhandled rejection
 * when the connection breaks at that moment.
 */
export function arrayLiteral(elements: readonly ArrayElement[]): string {
  return `{${elements.map(elementLiteral).join()}}`;
}

function elementLiteral(element: ArrayElement): string {
  if (element === null) return "null";
  if (typeof element === "bigint") return element.toString();
  if (typeof element === "string") return `"${element.replace(/["\\]/g, "\\$&")}"`;
  return element instanceof Date
    ? element.toISOString()
    : `"\\\\x${Buffer.from(element.buffer, element.byteOffset, element.byteLength).toString("hex")}"`;
}
