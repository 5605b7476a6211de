import { v7 } from "uuid";

// The low 16 bits of a UUID are its last four hexadecimal digits.
const prefixLength = 32;

/** How many transactions a journal segment can name: its index has 16 bits. */
export const transactionsPerSegmentMax = 65_536;

/** A new segment's id: a UUIDv7 whose low 16 bits are zero. */
export function newSegmentId(): string {
  return `${v7().slice(0, prefixLength)}0000`;
}

/** The id of the transaction at an index of a segment: the segment's id with the index in it. */
export function transactionIdAt(segmentId: string, index: number): string {
  return segmentId.slice(0, prefixLength) + index.toString(16).padStart(4, "0");
}

/** The segment that a transaction is in, and its index there. */
export function placeOf(transactionId: string): { segmentId: string; index: number } {
  const segmentId = `${transactionId.slice(0, prefixLength)}0000`;
  return { segmentId, index: Number.parseInt(transactionId.slice(prefixLength), 16) };
}
