/** Bytes that are no event of the journal; the message says why. */
export class UndecodableEvent extends Error {
  override readonly name = "UndecodableEvent";
}

export const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export const currencyPattern = /^[A-Z][A-Z0-9]{2,11}$/;

/** @throws UndecodableEvent when something does not fit */
export function check(fits: boolean, otherwise: string): void {
  if (!fits) throw undecodable(otherwise);
}

/** The reason, as a whole sentence. */
export function undecodable(why: string): UndecodableEvent {
  return new UndecodableEvent(`Not an event of the journal: ${why}.`);
}

/** Whether Postgres can store a text, and it has so many characters as Postgres counts them. */
export function isText(text: string, lengthMin: number, lengthMax: number): boolean {
  if (text.includes("\0") || text.length < lengthMin) return false;
  return text.length <= lengthMax || [...text].length <= lengthMax;
}
