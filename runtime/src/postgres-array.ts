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
  if (typeof element === "string") return plain.test(element) ? element : quoted(element);
  if (typeof element === "bigint") return element.toString();
  if (element === null) return "null";
  return element instanceof Date ? element.toISOString() : `"\\\\x${hex(element)}"`;
}

// What needs no quotes: ids and numbers, which are most of what is sent.
const plain = /^[0-9a-f][0-9a-f.-]*$/;

// What needs a backslash within quotes.
const special = /["\\]/;

function quoted(text: string): string {
  return special.test(text) ? `"${text.replace(/["\\]/g, "\\$&")}"` : `"${text}"`;
}

function hex(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.toString("hex");
}
