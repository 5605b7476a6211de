import { expect, test } from "vitest";
import {
  newSegmentId,
  placeOf,
  transactionIdAt,
  transactionsPerSegmentMax,
} from "./transaction-id.ts";

test("a transaction's id names its segment and its index there", () => {
  const segmentId = newSegmentId();
  for (const index of [0, 1, 255, 4_095, transactionsPerSegmentMax - 1]) {
    const transactionId = transactionIdAt(segmentId, index);
    expect(transactionId).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(placeOf(transactionId)).toEqual({ segmentId, index });
  }
  expect(transactionIdAt(segmentId, 0)).toBe(segmentId);
});

test("a segment's id is a UUIDv7 whose low 16 bits are zero", () => {
  expect(newSegmentId()).toMatch(
    /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{8}0000$/,
  );
});
