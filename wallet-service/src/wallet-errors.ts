import { create } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectError } from "@connectrpc/connect";
import { type Status, StatusSchema } from "@pelikuni/gen/google/rpc/status_pb";
import { rpcError } from "@pelikuni/runtime/rpc-errors";
import { invalidFields } from "@pelikuni/runtime/rpc-validation";
import type { CommandFault, CommandRefusal, FaultReason } from "./command-outcome.ts";
import { formatAmount, isZero } from "./money.ts";

/** A refusal that has a reason of its own; the others blame a field. */
type StateRefusal = Exclude<
  CommandRefusal,
  { reason: "EXPIRE_TIME" | "NO_SUCH_LEG" | "SEVERAL_LEGS" }
>;

const refusalCode: Readonly<Record<StateRefusal["reason"], Code>> = {
  SAME_WALLET: Code.InvalidArgument,
  LEG_WITHOUT_WALLET: Code.InvalidArgument,
  UNKNOWN_ACCOUNT: Code.InvalidArgument,
  UNKNOWN_CURRENCY: Code.InvalidArgument,
  AMOUNT_PRECISION: Code.InvalidArgument,
  WALLET_NOT_FOUND: Code.NotFound,
  HOLD_NOT_FOUND: Code.NotFound,
  TRANSACTION_NOT_FOUND: Code.NotFound,
  VERSION_CONFLICT: Code.Aborted,
  CURRENCY_MISMATCH: Code.FailedPrecondition,
  INSUFFICIENT_BALANCE: Code.FailedPrecondition,
  BALANCE_LIMIT: Code.FailedPrecondition,
  WALLET_FROZEN: Code.FailedPrecondition,
  WALLET_CLOSED: Code.FailedPrecondition,
  WALLET_NOT_EMPTY: Code.FailedPrecondition,
  OPEN_HOLDS: Code.FailedPrecondition,
  WALLET_LIMIT: Code.FailedPrecondition,
  TRANSFER_LIMIT: Code.FailedPrecondition,
  HOLD_AMOUNT_EXCEEDED: Code.FailedPrecondition,
  HOLD_CAPTURED: Code.FailedPrecondition,
  HOLD_RELEASED: Code.FailedPrecondition,
  HOLD_EXPIRED: Code.FailedPrecondition,
  HOLD_NOT_DUE: Code.FailedPrecondition,
  NOT_REVERSIBLE: Code.FailedPrecondition,
  ALREADY_REVERSED: Code.FailedPrecondition,
  REQUEST_ID_REUSED: Code.AlreadyExists,
  REFERENCE_ALREADY_USED: Code.AlreadyExists,
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
  switch (refusal.reason) {
    // Decided with the command all the same, so that a repeat still gets its first answer.
    case "EXPIRE_TIME": {
      const latest = new Date(refusal.latestMs).toISOString();
      const description = `must be in the future, and at the latest ${latest}`;
      return invalidFields([{ field: "expire_time", description }]);
    }
    case "SEVERAL_LEGS": {
      const description = `is for a transaction of one leg; this one has ${refusal.legCount}: use legs`;
      return invalidFields([{ field: "amount", description }]);
    }
    case "NO_SUCH_LEG": {
      const description = `${refusal.index} is none of the transaction's ${refusal.legCount} legs`;
      return invalidFields([{ field: "legs.index", description }]);
    }
    default: {
      const { reason } = refusal;
      const metadata = metadataOf(refusal);
      return rpcError({ code: refusalCode[reason], reason, message: messageOf(refusal), metadata });
    }
  }
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

/** What of a refusal a program may want to know. */
function metadataOf(refusal: StateRefusal): Record<string, string> {
  return {
    ...("walletId" in refusal && { wallet_id: refusal.walletId }),
    ...("holdId" in refusal && { hold_id: refusal.holdId }),
    ...("transactionId" in refusal && { transaction_id: refusal.transactionId }),
    ...("account" in refusal && { account: refusal.account }),
  };
}

// REST shows these to people; three of them are wordings that clients have known for long.
function messageOf(refusal: StateRefusal): string {
  switch (refusal.reason) {
    case "UNKNOWN_ACCOUNT":
      return (
        `The account "${refusal.account}" is not configured; ` +
        "ListAccounts (GET /accounts) names those that are"
      );
    case "UNKNOWN_CURRENCY":
      return (
        `The currency "${refusal.currency}" is not configured; ` +
        "ListCurrencies (GET /currencies) names those that are"
      );
    case "AMOUNT_PRECISION":
      return `Amounts in ${refusal.currency} have at most ${refusal.decimals} decimals; leave out the others`;
    case "VERSION_CONFLICT":
      return (
        `The wallet has version ${refusal.version}, not ${refusal.expectedVersion}; ` +
        "read it again and repeat with its version"
      );
    case "WALLET_LIMIT":
      return (
        `The wallet may pay at most ${formatAmount(refusal.limit)} at once; ` +
        "use a smaller amount, or raise its limit (single_transfer_max)"
      );
    case "TRANSFER_LIMIT":
      return (
        `At most ${formatAmount(refusal.limit)} ${refusal.currency} may leave a wallet at once; ` +
        "use a smaller amount (the operator sets transfer_amount_max of the currency)"
      );
    case "HOLD_AMOUNT_EXCEEDED":
      return `The hold has ${formatAmount(refusal.remaining)} remaining; capture at most that`;
    case "ALREADY_REVERSED":
      return isZero(refusal.left)
        ? "The transaction has been reversed already"
        : `Of leg ${refusal.index} only ${formatAmount(refusal.left)} is left; reverse at most that`;
    case "REFERENCE_ALREADY_USED":
      return (
        `This reference acted before, in transaction ${refusal.transactionId}; ` +
        "a new movement needs a reference of its own"
      );
    default:
      return plainMessages[refusal.reason];
  }
}

const plainMessages = {
  SAME_WALLET: "Cannot transfer to the same wallet",
  WALLET_NOT_FOUND: "Wallet not found",
  INSUFFICIENT_BALANCE: "Insufficient balance",
  LEG_WITHOUT_WALLET: "A leg has an account on both sides; one side has to be a wallet",
  CURRENCY_MISMATCH:
    "The wallets have different currencies; transfer between wallets of one currency",
  BALANCE_LIMIT:
    "The balance would exceed 999999999999999.9999; use a smaller amount or another wallet",
  REQUEST_ID_REUSED:
    "This idempotency key (request_id) was used for a call with other input; choose a new one",
  WALLET_FROZEN: "The wallet is frozen; unfreeze it first",
  WALLET_CLOSED: "The wallet is closed for good; use another one",
  WALLET_NOT_EMPTY: "The wallet has money; move it away first, or say where it goes (sweep_to)",
  OPEN_HOLDS: "The wallet has open holds; capture or release them first",
  HOLD_NOT_FOUND: "Hold not found",
  HOLD_CAPTURED: "The hold has been captured; place another one",
  HOLD_RELEASED: "The hold has been released; place another one",
  HOLD_EXPIRED: "The hold has expired; place another one",
  HOLD_NOT_DUE: "The hold has not expired yet",
  TRANSACTION_NOT_FOUND: "Transaction not found",
  NOT_REVERSIBLE: "Only transactions that moved money and are no reversals can be reversed",
} as const;
