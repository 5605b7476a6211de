import { Code, ConnectError } from "@connectrpc/connect";
import { rpcError } from "@pelikuni/runtime/rpc-errors";
import { expect, test } from "vitest";
import { inTermsOf, problemBody, refusalOfRpc, statusOfCode } from "./rest-errors.ts";

test.each([
  [Code.InvalidArgument, "SAME_WALLET", 400, "Cannot transfer to the same wallet"],
  [Code.FailedPrecondition, "INSUFFICIENT_BALANCE", 400, "Insufficient balance"],
  [Code.NotFound, "WALLET_NOT_FOUND", 404, "Wallet not found"],
  [Code.Aborted, "VERSION_CONFLICT", 412, "The wallet has another version"],
  [Code.AlreadyExists, "REQUEST_ID_REUSED", 422, "The key belongs to another request"],
  [Code.ResourceExhausted, "RATE_LIMITED", 429, "Too many calls"],
  [Code.ResourceExhausted, "MESSAGE_TOO_LARGE", 503, "The message is too large"],
  [Code.DataLoss, "HISTORY_DAMAGED", 500, "The history of wallet 1 is damaged at its version 2"],
  [Code.Unavailable, "OVERLOADED", 503, "Too many requests at once"],
])(
  "code %i with reason %s is status %i, with the service's own words",
  (code, reason, status, detail) => {
    const refusal = refusalOfRpc(rpcError({ code, reason, message: detail }));
    expect(problemBody(refusal)).toMatchObject({ type: "about:blank", status, reason, detail });
  },
);

test("every code has a status that is an error", () => {
  for (const status of Object.values(statusOfCode)) expect(status).toBeGreaterThanOrEqual(400);
});

test("fields are blamed by their names in REST", () => {
  const violations = [
    { field: "request_id", description: "is too long" },
    { field: "user_id", description: "must not be empty" },
  ];
  const message = "request_id: is too long";
  const error = rpcError({
    code: Code.InvalidArgument,
    reason: "INVALID_FIELD",
    message,
    violations,
  });
  expect(problemBody(refusalOfRpc(error))).toEqual({
    type: "about:blank",
    title: "Bad Request",
    status: 400,
    reason: "INVALID_FIELD",
    detail: "Idempotency-Key: is too long",
    errors: [
      { field: "Idempotency-Key", detail: "is too long" },
      { field: "user_id", detail: "must not be empty" },
    ],
  });
});

test("fields that the contract keeps in messages of their own stand at the top of a body", () => {
  const names = {
    "details.reference": "reference",
    'details.metadata["a"]': 'metadata["a"]',
    "settings.limits.single_transfer_max": "limits.single_transfer_max",
    update_mask: "body",
    "legs[0].from.account": "legs[0].from.account",
  };
  for (const [field, name] of Object.entries(names)) {
    const violations = [{ field, description: "is wrong" }];
    const invalid = { code: Code.InvalidArgument, reason: "INVALID_FIELD", message: "" };
    const { errors } = refusalOfRpc(rpcError({ ...invalid, violations }));
    expect(errors).toEqual([{ field: name, detail: "is wrong" }]);
  }
});

test("a route may name fields and answer conflicts in its own terms, and nothing else", async () => {
  const terms = { fields: { "payments[0].amount": "amount" }, conflictStatus: 409 };
  const told = (error: unknown): Promise<unknown> =>
    inTermsOf(terms, Promise.reject(error)).catch((refusal: unknown) => refusal);
  const invalid = { code: Code.InvalidArgument, reason: "INVALID_FIELD", message: "" };
  const violations = [{ field: "payments[0].amount", description: "is wrong" }];
  expect(await told(rpcError({ ...invalid, violations }))).toMatchObject({
    status: 400,
    errors: [{ field: "amount", detail: "is wrong" }],
  });
  const conflict = { code: Code.Aborted, reason: "VERSION_CONFLICT", message: "Other version" };
  expect(await told(rpcError(conflict))).toMatchObject({ status: 409 });
  expect(refusalOfRpc(rpcError(conflict)).status).toBe(412);
  const away = rpcError({ code: Code.Unavailable, reason: "OVERLOADED", message: "Busy" });
  expect(await told(away)).toBe(away);
});

test("a description that is a whole sentence is the detail as it stands", () => {
  const description = "Amount must be greater than zero";
  const error = rpcError({
    code: Code.InvalidArgument,
    reason: "INVALID_FIELD",
    message: description,
    violations: [{ field: "amount", description }],
  });
  expect(problemBody(refusalOfRpc(error)).detail).toBe(description);
});

test("Retry-After is the delay in whole seconds, rounded up, and absent without one", () => {
  const unavailable = { code: Code.Unavailable, reason: "OVERLOADED", message: "Busy" };
  const after = (retryDelayMs: number): unknown =>
    refusalOfRpc(rpcError({ ...unavailable, retryDelayMs })).headers;
  expect(after(1)).toEqual({ "Retry-After": "1" });
  expect(after(1_001)).toEqual({ "Retry-After": "2" });
  expect(refusalOfRpc(rpcError(unavailable)).headers).toEqual({});
});

test("words that are not meant for callers are never passed on", () => {
  const secret = "connect ECONNREFUSED 10.1.2.3:50051";
  for (const code of [Code.Unavailable, Code.Internal, Code.Unknown, Code.DeadlineExceeded]) {
    const problem = problemBody(refusalOfRpc(new ConnectError(secret, code)));
    expect(problem.detail).not.toContain("ECONNREFUSED");
  }
  const internal = rpcError({ code: Code.Internal, reason: "INTERNAL", message: secret });
  expect(problemBody(refusalOfRpc(internal))).toMatchObject({
    status: 500,
    detail: "Internal error",
  });
  const lost = problemBody(refusalOfRpc(new ConnectError(secret, Code.DataLoss)));
  expect(lost).toMatchObject({ status: 500, reason: "DATA_LOSS", detail: "Internal error" });
  const late = problemBody(refusalOfRpc(new ConnectError(secret, Code.DeadlineExceeded)));
  expect(late).toMatchObject({ status: 504, reason: "DEADLINE_EXCEEDED" });
});
