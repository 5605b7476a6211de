import { create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError } from "@connectrpc/connect";
import { type Status, StatusSchema } from "@pelikuni/gen/google/rpc/status_pb";
import { rpcError } from "@pelikuni/runtime/rpc-errors";
import type { CommandFault, CommandRefusal, FaultReason } from "./command-outcome.ts";

const refusalCode: Readonly<Record<CommandRefusal["reason"], Code>> = {
  SAME_WALLET: Code.InvalidArgument,
  WALLET_NOT_FOUND: Code.NotFound,
  VERSION_CONFLICT: Code.Aborted,
  CURRENCY_MISMATCH: Code.FailedPrecondition,
  INSUFFICIENT_BALANCE: Code.FailedPrecondition,
  BALANCE_LIMIT: Code.FailedPrecondition,
  REQUEST_ID_REUSED: Code.AlreadyExists,
};

const faultCode: Readonly<Record<FaultReason, Code>> = {
  OVERLOADED: Code.Unavailable,
  DATABASE_UNAVAILABLE: Code.Unavailable,
  OUTCOME_UNKNOWN: Code.Unavailable,
  DEADLINE_EXCEEDED: Code.DeadlineExceeded,
  INTERNAL: Code.Internal,
};

const retryDelayMs = 500;

/** The error that a refused call answers. */
export function refusalError(refusal: CommandRefusal): ConnectError {
  const { reason } = refusal;
  const metadata = "walletId" in refusal ? { metadata: { wallet_id: refusal.walletId } } : {};
  return rpcError({ code: refusalCode[reason], reason, message: messageOf(refusal), ...metadata });
}

/** The error that a call without an outcome answers; a retry is proposed only where it is safe. */
export function faultError(fault: CommandFault, requestId: string): ConnectError {
  const code = faultCode[fault.reason];
  const retry = code === Code.Unavailable && requestId !== "" ? { retryDelayMs } : {};
  return rpcError({ code, reason: fault.reason, message: fault.message, ...retry });
}

/** An error as the status of one item of a batch, details included. */
export function statusOf(error: ConnectError): Status {
  const details = error.details.flatMap((detail) =>
    "desc" in detail ? [anyPack(detail.desc, create(detail.desc, detail.value))] : [],
  );
  return create(StatusSchema, { code: error.code, message: error.rawMessage, details });
}

// REST shows these to people; the first four are wordings that clients have known for long.
function messageOf(refusal: CommandRefusal): string {
  switch (refusal.reason) {
    case "SAME_WALLET":
      return "Cannot transfer to the same wallet";
    case "WALLET_NOT_FOUND":
      return "Wallet not found";
    case "INSUFFICIENT_BALANCE":
      return "Insufficient balance";
    case "BALANCE_LIMIT":
      return "The balance would exceed 999999999999999.9999; use a smaller amount or another wallet";
    case "CURRENCY_MISMATCH":
      return "The wallets have different currencies; transfer between wallets of one currency";
    case "VERSION_CONFLICT":
      return (
        `The wallet has version ${refusal.version}, not ${refusal.expectedVersion}; ` +
        "read it again and repeat with its version"
      );
    case "REQUEST_ID_REUSED":
      return "This idempotency key (request_id) was used for a call with other input; choose a new one";
  }
}
