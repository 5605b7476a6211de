import type { Amount } from "./money.ts";

/** Whether a wallet takes part in movements of money. */
export type WalletStatus = "ACTIVE" | "FROZEN_OUTGOING" | "FROZEN" | "CLOSED";

/** What a wallet is at one version. */
export interface WalletState {
  /** UUIDv7 in lower case. */
  readonly id: string;
  readonly userId: string;
  readonly currency: string;
  readonly balance: Amount;
  /** The part of the balance that cannot be spent. */
  readonly held: Amount;
  readonly status: WalletStatus;
  /** The most that one transaction may take out of it, or one hold set aside. */
  readonly transferLimit: Amount | undefined;
  /** 0 at creation, one more with every change. */
  readonly version: bigint;
  /** Milliseconds since 1970, UTC. */
  readonly createTimeMs: number;
  /** Milliseconds since 1970, UTC: when the latest event happened. */
  readonly updateTimeMs: number;
}

/** Free pairs, at most 16; they decide nothing. */
export type Metadata = Readonly<Record<string, string>>;

/** Whether a hold is open, or how it ended. */
export type HoldStatus = "OPEN" | "CAPTURED" | "RELEASED" | "EXPIRED";

/** Money of a wallet that is set aside. */
export interface HoldState {
  /** UUIDv7 in lower case. */
  readonly id: string;
  readonly walletId: string;
  readonly currency: string;
  readonly amount: Amount;
  /** What was paid out of it so far. */
  readonly captured: Amount;
  readonly status: HoldStatus;
  /** Milliseconds since 1970, UTC. */
  readonly createTimeMs: number;
  /** Milliseconds since 1970, UTC: from then on nothing is captured. */
  readonly expireTimeMs: number;
}

/** What the caller wants remembered with a change. */
export interface Details {
  /** At most 255 characters; on a leg from an account outside it acts once, for ever. */
  readonly reference: string;
  /** At most 500 characters. */
  readonly description: string;
  readonly metadata: Metadata;
}

/** Who asks for a change; each text has at most 255 characters. */
export interface Actor {
  /** Who says who he is. */
  readonly issuer: string;
  /** Who he is, unique within the issuer. */
  readonly subject: string;
  /** The program in his hands; empty when nothing says so. */
  readonly client: string;
}

/** One end of a movement: a wallet, or a named account outside the wallets. */
export type Side = { readonly walletId: string } | { readonly account: string };

/** A movement of one amount from one place to another. It cannot be unbalanced. */
export interface Leg {
  readonly from: Side;
  readonly to: Side;
  readonly amount: Amount;
}

/** A leg with the currency of its wallets. */
export type PricedLeg = Leg & { readonly currency: string };

/** What of an earlier transaction is taken back. */
export interface Reversal {
  /** UUIDv7 in lower case. */
  readonly transactionId: string;
  /** Each leg at most once, ascending. */
  readonly legs: readonly { readonly index: number; readonly amount: Amount }[];
}

/** The rate of an exchange, recorded as it came. */
export interface Exchange {
  readonly rate: string;
  readonly quoteId: string;
}

/** What a transaction that was posted earlier moved. */
export interface PostedTransaction {
  readonly legs: readonly PricedLeg[];
  readonly isReversal: boolean;
}

/** The kinds of events. */
export type EventKind =
  | "walletCreated"
  | "walletFunded"
  | "transferCompleted"
  | "transactionPosted"
  | "holdPlaced"
  | "holdReleased"
  | "walletStatusChanged"
  | "walletUpdated";

/** What one wallet becomes. */
export interface WalletChange {
  /** `undefined` for a wallet that the command creates. */
  readonly before: WalletState | undefined;
  readonly after: WalletState;
  /** What is added to the balance; negative when money goes out. */
  readonly amount: Amount;
}

/** The outcome of an accepted command. */
export interface Decision {
  readonly kind: EventKind;
  readonly occurredAtMs: number;
  readonly legs: readonly PricedLeg[];
  /** One for each wallet touched, in order of first appearance in the legs. */
  readonly changes: readonly WalletChange[];
  /** The hold that is placed, captured or released, as it is afterwards. */
  readonly hold?: HoldState;
  readonly reversal?: Reversal;
  readonly exchange?: Exchange;
  /** Why a wallet's status changes. */
  readonly reason?: string;
  /** A wallet's metadata, all of it, when a command changes what is kept beside the wallet. */
  readonly metadata?: Metadata;
}

/** Why a command is refused. The reason is what callers see as ErrorInfo.reason. */
export type Refusal =
  | { readonly reason: "SAME_WALLET" | "LEG_WITHOUT_WALLET" | "CURRENCY_MISMATCH" }
  | { readonly reason: "UNKNOWN_ACCOUNT"; readonly account: string }
  | { readonly reason: "UNKNOWN_CURRENCY"; readonly currency: string }
  | { readonly reason: "AMOUNT_PRECISION"; readonly currency: string; readonly decimals: number }
  | { readonly reason: WalletRefusalReason; readonly walletId: string }
  | {
      readonly reason: "VERSION_CONFLICT";
      readonly walletId: string;
      readonly version: bigint;
      readonly expectedVersion: bigint;
    }
  | { readonly reason: "WALLET_LIMIT"; readonly walletId: string; readonly limit: Amount }
  | {
      readonly reason: "TRANSFER_LIMIT";
      readonly walletId: string;
      readonly currency: string;
      readonly limit: Amount;
    }
  | {
      readonly reason:
        | "HOLD_NOT_FOUND"
        | "HOLD_CAPTURED"
        | "HOLD_RELEASED"
        | "HOLD_EXPIRED"
        | "HOLD_NOT_DUE";
      readonly holdId: string;
    }
  | {
      readonly reason: "HOLD_AMOUNT_EXCEEDED";
      readonly holdId: string;
      readonly remaining: Amount;
    }
  | { readonly reason: "EXPIRE_TIME"; readonly latestMs: number }
  | {
      readonly reason: "TRANSACTION_NOT_FOUND" | "NOT_REVERSIBLE";
      readonly transactionId: string;
    }
  | { readonly reason: "SEVERAL_LEGS"; readonly transactionId: string; readonly legCount: number }
  | {
      readonly reason: "NO_SUCH_LEG";
      readonly transactionId: string;
      readonly index: number;
      readonly legCount: number;
    }
  | {
      readonly reason: "ALREADY_REVERSED";
      readonly transactionId: string;
      readonly index: number;
      readonly left: Amount;
    }
  | { readonly reason: "REFERENCE_ALREADY_USED"; readonly transactionId: string };

type WalletRefusalReason =
  | "WALLET_NOT_FOUND"
  | "WALLET_FROZEN"
  | "WALLET_CLOSED"
  | "WALLET_NOT_EMPTY"
  | "OPEN_HOLDS"
  | "INSUFFICIENT_BALANCE"
  | "BALANCE_LIMIT";

/** A decision, or the refusal in its place. */
export type Outcome = { readonly decision: Decision } | { readonly refusal: Refusal };

/** The wallets that legs name, in order of first appearance. */
export function walletIdsOfLegs(legs: readonly Pick<Leg, "from" | "to">[]): string[] {
  const ids: string[] = [];
  for (const { from, to } of legs) {
    if ("walletId" in from && !ids.includes(from.walletId)) ids.push(from.walletId);
    if ("walletId" in to && !ids.includes(to.walletId)) ids.push(to.walletId);
  }
  return ids;
}
