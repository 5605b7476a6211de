import type { DatabaseUnavailable } from "@pelikuni/runtime/database-fault";
import type { Refusal, WalletState } from "./wallet.ts";
import type { EventItems } from "./wallet-events.ts";

/** What an accepted command answers, the first time and every time it is repeated. */
export interface Answer {
  readonly transactionId: string;
  readonly position: bigint;
  readonly occurredAtMs: number;
  /** The wallets right after the transaction, in the order in which its legs name them first. */
  readonly wallets: readonly AnsweredWallet[];
  readonly items: EventItems;
}

/** A wallet as an answer shows it; its limit stands beside it, in its settings. */
export type AnsweredWallet = Omit<WalletState, "transferLimit">;

/** A refusal of the domain, or of the request key. */
export type CommandRefusal = Refusal | { readonly reason: "REQUEST_ID_REUSED" };

/** What a command comes to, known once it is committed. */
export type CommandOutcome = { readonly answer: Answer } | { readonly refusal: CommandRefusal };

/** Why a command has no outcome. Only after OUTCOME_UNKNOWN may it have been carried out. */
export type FaultReason =
  | "OVERLOADED"
  | "DATABASE_UNAVAILABLE"
  | "OUTCOME_UNKNOWN"
  | "DEADLINE_EXCEEDED"
  | "INTERNAL";

/** Thrown where a command has no outcome. */
export class CommandFault extends Error {
  override readonly name = "CommandFault";
  readonly reason: FaultReason;

  constructor(reason: FaultReason, message: string, cause?: unknown) {
    super(message, { cause });
    this.reason = reason;
  }
}

/** The fault of a command that was not carried out because the database does not answer. */
export function databaseUnavailable(cause: DatabaseUnavailable): CommandFault {
  const message = "The database does not answer; nothing was done.";
  return new CommandFault("DATABASE_UNAVAILABLE", message, cause);
}

/** The fault of a command that fails for a reason of ours, which is logged and not sent. */
export function internalFault(cause: unknown): CommandFault {
  return new CommandFault("INTERNAL", "Internal error", cause);
}
