import { expect, test } from "vitest";
import { createRecentCallers } from "./recent-callers.ts";

test("a caller is alone unless another one asked within the last second", () => {
  const callers = createRecentCallers();
  expect(callers.hasOthersThan("a", 0)).toBe(false);
  callers.note("a", 0);
  callers.note("a", 1);
  expect([callers.hasOthersThan("a", 2), callers.hasOthersThan("b", 2)]).toEqual([false, true]);
  callers.note("b", 3);
  callers.note("a", 500);
  expect([callers.hasOthersThan("a", 1_002), callers.hasOthersThan("a", 1_003)]).toEqual([
    true,
    false,
  ]);
  expect(callers.hasOthersThan(undefined, 1_499)).toBe(true);
});
