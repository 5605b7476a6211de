import { timestampMs } from "@bufbuild/protobuf/wkt";
import { expect, test } from "vitest";
import { RestRefusal } from "./rest-errors.ts";
import { parseInstant } from "./rest-instants.ts";

test.each([
  ["2026-01-31", "2026-01-31T00:00:00.000Z"],
  ["2024-02-29", "2024-02-29T00:00:00.000Z"],
  ["2026-01-31T09:30:00Z", "2026-01-31T09:30:00.000Z"],
  ["2026-01-31t09:30:00.5z", "2026-01-31T09:30:00.500Z"],
  ["2026-01-31 09:30:00.123Z", "2026-01-31T09:30:00.123Z"],
  ["2026-01-31T23:30:00-02:30", "2026-02-01T02:00:00.000Z"],
  ["2026-01-01T01:00:00+02:00", "2025-12-31T23:00:00.000Z"],
  ["2026-01-01T01:00:00 02:00", "2025-12-31T23:00:00.000Z"],
  ["0099-01-01T00:00:00Z", "0099-01-01T00:00:00.000Z"],
])("%s is %s", (text, instant) => {
  expect(new Date(timestampMs(parseInstant("at", text))).toISOString()).toBe(instant);
});

test("a fraction keeps its nanoseconds", () => {
  expect(parseInstant("at", "1970-01-01T00:00:01.000000001Z")).toMatchObject({
    seconds: 1n,
    nanos: 1,
  });
  expect(parseInstant("at", "1969-12-31T23:59:59.25Z")).toMatchObject({
    seconds: -1n,
    nanos: 250_000_000,
  });
});

test.each([
  "2026-02-30",
  "2026-13-01",
  "2026-00-10",
  "2025-02-29T00:00:00Z",
  "2026-01-31T24:00:00Z",
  "2026-01-31T09:30:60Z",
  "2026-01-31T09:30:00",
  "2026-01-31T09:30Z",
  "yesterday",
  "",
])("%j is no instant", (text) => {
  expect(() => parseInstant("at", text)).toThrow(RestRefusal);
  expect(() => parseInstant("at", text)).toThrow(/^at: must be an instant/);
});
