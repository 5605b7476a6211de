import { expect, test } from "vitest";
import { arrayLiteral } from "./postgres-array.ts";

test("arrays are written as Postgres reads them", () => {
  expect(arrayLiteral([])).toBe("{}");
  expect(arrayLiteral(["a", null, "null", ""])).toBe('{a,null,"null",""}');
  expect(arrayLiteral(['say "hi", {now}', "back\\slash"])).toBe(
    '{"say \\"hi\\", {now}","back\\\\slash"}',
  );
  expect(arrayLiteral([1n, -2n])).toBe("{1,-2}");
  expect(arrayLiteral([new Uint8Array([0, 255])])).toBe('{"\\\\x00ff"}');
  expect(arrayLiteral([new Date(0)])).toBe("{1970-01-01T00:00:00.000Z}");
});
