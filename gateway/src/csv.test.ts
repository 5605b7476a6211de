import { expect, test } from "vitest";
import { csvRow, csvText } from "./csv.ts";

test.each([
  ["alice", '"alice"'],
  ["", ""],
  ['a "b", c', '"a ""b"", c"'],
  ["two\r\nlines", '"two\r\nlines"'],
  ["a=b", '"a=b"'],
])("the text %j is written as %s", (text, cell) => {
  expect(csvText(text)).toBe(cell);
});

test.each(["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\tx", "\rx", "\nx", "＝1"])(
  "the text %j is no formula in a spreadsheet",
  (text) => {
    expect(csvText(text)).toBe(`"'${text}"`);
  },
);

test("a row ends with CR LF", () => {
  expect(csvRow(["a", "", "-2.5000"])).toBe("a,,-2.5000\r\n");
});
