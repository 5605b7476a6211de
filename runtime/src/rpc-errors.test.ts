import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import {
  cutText,
  errorMetadata,
  errorReason,
  errorRetryDelayMs,
  errorViolations,
  rpcError,
} from "./rpc-errors.ts";

test("an error carries its reason, facts, fields and retry delay", () => {
  const violations = [{ field: "transfers[3].amount", description: "must be a number" }];
  const error = rpcError({
    code: Code.Unavailable,
    reason: "OVERLOADED",
    message: "Busy",
    metadata: { queue: "full" },
    violations,
    retryDelayMs: 2_500,
  });
  expect([error.code, error.rawMessage]).toEqual([Code.Unavailable, "Busy"]);
  expect(errorReason(error)).toBe("OVERLOADED");
  expect(errorMetadata(error)).toEqual({ queue: "full" });
  expect(errorViolations(error)).toEqual(violations);
  expect(errorRetryDelayMs(error)).toBe(2_500);
});

test("an error of somebody else has none of them", () => {
  const error = new ConnectError("no", Code.Unavailable);
  expect(errorReason(error)).toBeUndefined();
  expect(errorMetadata(error)).toEqual({});
  expect(errorViolations(error)).toEqual([]);
  expect(errorRetryDelayMs(error)).toBeUndefined();
});

test("an error blames twenty fields at most", () => {
  const violations = Array.from({ length: 21 }, (_, i) => ({ field: `f[${i}]`, description: "x" }));
  const error = rpcError({ code: Code.InvalidArgument, reason: "R", message: "m", violations });
  expect(errorViolations(error)).toEqual(violations.slice(0, 20));
});

test.each([
  ["abc", 3, "abc"],
  ["abcd", 3, "ab…"],
  ["a💶b", 3, "a\uFFFD…"],
  ["a\uD800b", 3, "a\uFFFDb"],
  ["💶", 2, "💶"],
])("%j within %i units is %j", (text, lengthMax, cut) => {
  expect(cutText(text, lengthMax)).toBe(cut);
});
