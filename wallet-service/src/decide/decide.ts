import {
  type HoldState,
  type Outcome,
  type PostedTransaction,
  walletIdsOfLegs,
} from "../wallet.ts";
import { changeStatus, closeWallet, updateWallet } from "./change-wallet.ts";
import type { Basis, Command } from "./command.ts";
import { createWallet } from "./create-wallet.ts";
import { captureHold, releaseHold } from "./end-hold.ts";
import { moveMoney } from "./move-money.ts";
import { placeHold } from "./place-hold.ts";
import { reverseTransaction } from "./reverse-transaction.ts";

/**
 * Decides a command on given states. Pure: the same input always gives the same outcome.
 *
 * Refusals are looked for in this order: shape, existence, expected versions, precision and
 * currency, status, hold or reversal, balance, limits.
 */
export function decide(basis: Basis, command: Command): Outcome {
  switch (command.kind) {
    case "createWallet":
      return createWallet(basis, command);
    case "fund":
    case "transfer":
    case "withdraw":
    case "post":
      return moveMoney(basis, command);
    case "placeHold":
      return placeHold(basis, command);
    case "captureHold":
      return captureHold(basis, command);
    case "releaseHold":
      return releaseHold(basis, command);
    case "reverseTransaction":
      return reverseTransaction(basis, command);
    case "changeStatus":
      return changeStatus(basis, command);
    case "closeWallet":
      return closeWallet(basis, command);
    case "updateWallet":
      return updateWallet(basis, command);
  }
}

/** The hold that decides the command, if any. */
export function holdIdOf(command: Command): string | undefined {
  return command.kind === "captureHold" || command.kind === "releaseHold"
    ? command.holdId
    : undefined;
}

/** The transaction whose reversal the command is, if it is one. */
export function reversedTransactionIdOf(command: Command): string | undefined {
  return command.kind === "reverseTransaction" ? command.transactionId : undefined;
}

/** The wallet whose metadata the decision records, if it does. */
export function metadataWalletIdOf(command: Command): string | undefined {
  return command.kind === "updateWallet" ? command.walletId : undefined;
}

/** The items that say which wallets a command is about, by their ids. */
export interface NamedItems {
  readonly holds: ReadonlyMap<string, HoldState | undefined>;
  readonly transactions: ReadonlyMap<string, PostedTransaction | undefined>;
}

/**
 * The wallets whose states decide the command.
 *
 * @param items the hold or transaction that the command names, where it names one
 */
export function walletIdsOf(command: Command, items: NamedItems): string[] {
  switch (command.kind) {
    case "createWallet":
      return [];
    case "fund":
    case "transfer":
    case "withdraw":
    case "post":
      return walletIdsOfLegs(command.legs);
    case "captureHold":
    case "releaseHold": {
      const hold = items.holds.get(command.holdId);
      if (hold === undefined) return [];
      const from = { walletId: hold.walletId };
      const payments = command.kind === "captureHold" ? command.payments : [{ to: from }];
      return walletIdsOfLegs(payments.map(({ to }) => ({ from, to })));
    }
    case "reverseTransaction":
      return walletIdsOfLegs(items.transactions.get(command.transactionId)?.legs ?? []);
    case "closeWallet": {
      const from = { walletId: command.walletId };
      return walletIdsOfLegs([{ from, to: command.sweepTo ?? from }]);
    }
    default:
      return [command.walletId];
  }
}
