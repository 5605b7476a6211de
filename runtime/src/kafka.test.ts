import { expect, test } from "vitest";
import { kafkaSchema } from "./kafka.ts";

test.each([
  [-1, true],
  [60_000, true],
  [0, false],
  [59_999, false],
  [-2, false],
])("a retention of %i ms: accepted is %s", (retention_ms, accepted) => {
  expect(kafkaSchema.safeParse({ retention_ms }).success).toBe(accepted);
});
