import { Code, ConnectError } from "@connectrpc/connect";
import { status as GrpcStatus, Metadata } from "@grpc/grpc-js";
import { ErrorInfoSchema } from "@pelikuni/gen/google/rpc/error_details_pb";
import { expect, test } from "vitest";
import { errorOfStatus, headersOf, metadataOf, statusOfError } from "./grpc-js-status.ts";
import { errorReason, errorViolations, rpcError } from "./rpc-errors.ts";

test("an error survives the way through a status, also twice", () => {
  const violations = [{ field: "amount", description: "must be a number" }];
  const reason = "INVALID_FIELD";
  const error = rpcError({ code: Code.InvalidArgument, reason, message: "ü 💶", violations });
  const once = errorOfStatus(statusOfError(error));
  const twice = errorOfStatus(statusOfError(once));
  for (const received of [once, twice]) {
    expect([received.code, received.rawMessage]).toEqual([Code.InvalidArgument, "ü 💶"]);
    expect(errorReason(received)).toBe(reason);
    expect(errorViolations(received)).toEqual(violations);
  }
});

test("details that would not fit into the trailers are left out, the others stay", () => {
  const error = rpcError({ code: Code.NotFound, reason: "WALLET_NOT_FOUND", message: "m" });
  const value = { reason: "a".repeat(100_000) };
  error.details.push({ desc: ErrorInfoSchema, value });
  const status = statusOfError(error);
  expect(status.metadata.get("grpc-status-details-bin")[0]?.length).toBeLessThan(1_000);
  expect(errorReason(errorOfStatus(status))).toBe("WALLET_NOT_FOUND");
});

test("a message that gRPC cannot send is cut and made Unicode", () => {
  const { details } = statusOfError(new ConnectError(`\uD800${"a".repeat(10_000)}`, Code.Internal));
  expect(details).toHaveLength(500);
  expect(details.startsWith("\uFFFDaaa")).toBe(true);
});

test("details that are no google.rpc.Status are ignored", () => {
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from([0xff]));
  const error = errorOfStatus({ code: GrpcStatus.NOT_FOUND, details: "gone", metadata });
  expect([error.code, error.rawMessage, error.details]).toEqual([Code.NotFound, "gone", []]);
});

test("headers become metadata and come back, except those that are grpc-js's own", () => {
  const headers = new Headers({
    "x-text": "a",
    "x-data-bin": "AAEC",
    "x-umlaut": "ü",
    "grpc-status": "0",
    "content-type": "application/json",
  });
  headers.append("x-text", "b");
  expect([...headersOf(metadataOf(headers))]).toEqual([
    ["x-data-bin", "AAEC"],
    ["x-text", "a, b"],
  ]);
});
