import { expect, test } from "vitest";
import { prefersCsv } from "./statement-format.ts";

test.each([
  [undefined, undefined, false],
  [undefined, "*/*", false],
  [undefined, "application/json", false],
  [undefined, "text/csv", true],
  [undefined, "Text/CSV; header=present", true],
  [undefined, "text/csv, */*;q=0.1", true],
  [undefined, "application/json, text/csv;q=0.5", false],
  [undefined, "application/json;q=0.5, text/csv", true],
  [undefined, "text/csv;q=0", false],
  ["csv", "application/json", true],
  ["json", "text/csv", false],
])("format %j with Accept %j: CSV is %s", (format, accept, isCsv) => {
  expect(prefersCsv(format, accept)).toBe(isCsv);
});
