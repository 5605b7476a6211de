import { Code, type ConnectError } from "@connectrpc/connect";
import { DatabaseUnavailable } from "@pelikuni/runtime/database-fault";
import { rpcError } from "@pelikuni/runtime/rpc-errors";
import { WalletServiceUnavailable } from "./reconciliation.ts";

/** Why a call is refused, and what it concerns. */
export type HistoryRefusal =
  | { readonly reason: "WALLET_NOT_FOUND"; readonly walletId: string }
  | { readonly reason: "TRANSACTION_NOT_FOUND"; readonly transactionId: string }
  | { readonly reason: "PARKED_EVENT_NOT_FOUND"; readonly id: bigint }
  | { readonly reason: "NOT_COMPLETE_YET"; readonly position: bigint; readonly completeTo: bigint }
  | { readonly reason: "HISTORY_DAMAGED"; readonly walletId: string; readonly version: bigint }
  | {
      readonly reason: "HISTORY_DAMAGED";
      readonly transactionId: string;
      readonly position: bigint;
    }
  | { readonly reason: "DATABASE_UNAVAILABLE" }
  | { readonly reason: "WALLET_SERVICE_UNAVAILABLE" };

const codeOf: Readonly<Record<HistoryRefusal["reason"], Code>> = {
  WALLET_NOT_FOUND: Code.NotFound,
  TRANSACTION_NOT_FOUND: Code.NotFound,
  PARKED_EVENT_NOT_FOUND: Code.NotFound,
  NOT_COMPLETE_YET: Code.Unavailable,
  HISTORY_DAMAGED: Code.DataLoss,
  DATABASE_UNAVAILABLE: Code.Unavailable,
  WALLET_SERVICE_UNAVAILABLE: Code.Unavailable,
};

/** The error that a refused call answers. */
export function refusalError(refusal: HistoryRefusal): ConnectError {
  const { reason } = refusal;
  const metadata = metadataOf(refusal);
  return rpcError({ code: codeOf[reason], reason, message: messageOf(refusal), metadata });
}

/** Waits for a reading; what fails is what a caller is told. */
export async function orUnavailable<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw readFault(error);
  }
}

/** Reads on; what fails is what a caller is told. */
export async function* orUnavailableStream<T>(reading: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* reading;
  } catch (error) {
    throw readFault(error);
  }
}

/** What a caller is told when reading fails; faults of other kinds stay as they are. */
function readFault(error: unknown): unknown {
  if (error instanceof DatabaseUnavailable) return refusalError({ reason: "DATABASE_UNAVAILABLE" });
  if (error instanceof WalletServiceUnavailable) {
    return refusalError({ reason: "WALLET_SERVICE_UNAVAILABLE" });
  }
  return error;
}

function metadataOf(refusal: HistoryRefusal): Record<string, string> {
  if ("version" in refusal) {
    return { wallet_id: refusal.walletId, version: refusal.version.toString() };
  }
  if ("walletId" in refusal) return { wallet_id: refusal.walletId };
  if ("transactionId" in refusal) {
    const position = "position" in refusal ? { position: refusal.position.toString() } : {};
    return { transaction_id: refusal.transactionId, ...position };
  }
  return "completeTo" in refusal ? { complete_to: refusal.completeTo.toString() } : {};
}

function messageOf(refusal: HistoryRefusal): string {
  switch (refusal.reason) {
    case "WALLET_NOT_FOUND":
      return "Wallet not found";
    case "TRANSACTION_NOT_FOUND":
      return "Transaction not found";
    case "PARKED_EVENT_NOT_FOUND":
      return `No message is parked under the number ${refusal.id}`;
    case "NOT_COMPLETE_YET":
      return (
        `History is complete up to position ${refusal.completeTo}, ` +
        `not yet ${refusal.position}; try again`
      );
    case "HISTORY_DAMAGED":
      if ("transactionId" in refusal) {
        const { transactionId, position } = refusal;
        return (
          `The event of transaction ${transactionId} at position ${position} is damaged; ` +
          "VerifyJournal says how"
        );
      }
      return (
        `The history of wallet ${refusal.walletId} is damaged at its version ${refusal.version}; ` +
        "VerifyWallet says how"
      );
    case "DATABASE_UNAVAILABLE":
      return "The database does not answer; try again";
    case "WALLET_SERVICE_UNAVAILABLE":
      return "The wallet-service does not answer; try again";
  }
}
