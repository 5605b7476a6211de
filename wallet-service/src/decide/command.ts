import type { Amount } from "../money.ts";
import type {
  Exchange,
  HoldState,
  Leg,
  Metadata,
  PostedTransaction,
  Side,
  WalletState,
  WalletStatus,
} from "../wallet.ts";

/** The version that a wallet must have for the command to act. */
export interface ExpectedVersion {
  readonly walletId: string;
  readonly version: bigint;
}

/** What a caller wants done. */
export type Command =
  | CreateWallet
  | MoveMoney
  | PlaceHold
  | CaptureHold
  | ReleaseHold
  | ReverseTransaction
  | ChangeStatus
  | CloseWallet
  | UpdateWallet;

export interface CreateWallet {
  readonly kind: "createWallet";
  readonly walletId: string;
  readonly userId: string;
  readonly currency: string;
}

/** Moves money by legs alone; fund, transfer, withdraw and post are shapes of them. */
export interface MoveMoney {
  readonly kind: "fund" | "transfer" | "withdraw" | "post";
  readonly legs: readonly Leg[];
  readonly expected?: readonly ExpectedVersion[];
  readonly exchange?: Exchange;
}

export interface PlaceHold {
  readonly kind: "placeHold";
  readonly holdId: string;
  readonly walletId: string;
  readonly amount: Amount;
  readonly expireTimeMs: number;
  readonly expected?: readonly ExpectedVersion[];
}

export interface CaptureHold {
  readonly kind: "captureHold";
  readonly holdId: string;
  readonly payments: readonly { readonly to: Side; readonly amount: Amount }[];
  readonly keepRemaining: boolean;
  /** The version of the hold's wallet. */
  readonly expectedVersion?: bigint;
}

export interface ReleaseHold {
  readonly kind: "releaseHold";
  readonly holdId: string;
  /** Because its time is over; refused before. */
  readonly expired: boolean;
  /** The version of the hold's wallet. */
  readonly expectedVersion?: bigint;
}

export interface ReverseTransaction {
  readonly kind: "reverseTransaction";
  readonly transactionId: string;
  /** What to take back of which legs, ascending; empty: all that is left. */
  readonly legs: readonly { readonly index: number; readonly amount: Amount }[];
  /** Whether the caller takes it for a transaction of one leg. */
  readonly onlyLeg?: boolean;
  /** Who pays what a wallet no longer has; nobody when left out. */
  readonly shortfallAccount?: string;
}

/** Freezes and unfreezes. */
export interface ChangeStatus {
  readonly kind: "changeStatus";
  readonly walletId: string;
  readonly status: Exclude<WalletStatus, "CLOSED">;
  readonly reason: string;
  readonly expected?: readonly ExpectedVersion[];
}

export interface CloseWallet {
  readonly kind: "closeWallet";
  readonly walletId: string;
  /** Where its money goes; it has to be empty when left out. */
  readonly sweepTo?: Side;
  readonly reason: string;
  readonly expected?: readonly ExpectedVersion[];
}

export interface UpdateWallet {
  readonly kind: "updateWallet";
  readonly walletId: string;
  /** All of it anew; unchanged when left out. */
  readonly metadata?: Metadata;
  /** "none" takes the limit away; unchanged when left out. */
  readonly transferLimit?: Amount | "none";
  readonly expected?: readonly ExpectedVersion[];
}

/** What holds for the amounts of a currency, by configuration. */
export interface CurrencyRules {
  readonly decimals: number;
  /** The most that one transaction may take out of a wallet, or one hold set aside. */
  readonly transferMax?: Amount | undefined;
}

/** What holds for all commands, by configuration. */
export interface Rules {
  /** `undefined` for a currency that is not configured. */
  readonly currencyOf: (currency: string) => CurrencyRules | undefined;
  readonly isAccount: (name: string) => boolean;
  readonly holdLengthMaxMs: number;
}

/** What a command is decided on. */
export interface Basis {
  /** `undefined` for what does not exist. */
  readonly walletOf: (walletId: string) => WalletState | undefined;
  readonly holdOf: (holdId: string) => HoldState | undefined;
  readonly transactionOf: (transactionId: string) => PostedTransaction | undefined;
  /** What was taken back of each leg of a transaction so far; empty when nothing was. */
  readonly reversedOf: (transactionId: string) => readonly Amount[];
  readonly metadataOf: (walletId: string) => Metadata;
  readonly rules: Rules;
  /** Milliseconds since 1970; an event never happens before the wallets' last change. */
  readonly nowMs: number;
}

/** Brings money into a wallet from an account outside. */
export function fund(
  walletId: string,
  amount: Amount,
  expectedVersion?: bigint,
  source = "external",
): MoveMoney {
  const legs = [{ from: { account: source }, to: { walletId }, amount }];
  return { kind: "fund", legs, ...expect(walletId, expectedVersion) };
}

/** Moves money between two wallets; the expected version is the paying wallet's. */
export function transfer(
  fromWalletId: string,
  toWalletId: string,
  amount: Amount,
  expectedVersion?: bigint,
): MoveMoney {
  const legs = [{ from: { walletId: fromWalletId }, to: { walletId: toWalletId }, amount }];
  return { kind: "transfer", legs, ...expect(fromWalletId, expectedVersion) };
}

/** Sends money out of a wallet to an account outside. */
export function withdraw(
  walletId: string,
  amount: Amount,
  expectedVersion?: bigint,
  destination = "external",
): MoveMoney {
  const legs = [{ from: { walletId }, to: { account: destination }, amount }];
  return { kind: "withdraw", legs, ...expect(walletId, expectedVersion) };
}

/** The part of a command that names the version expected of one wallet, if any. */
export function expect(
  walletId: string,
  version: bigint | undefined,
): { readonly expected?: readonly ExpectedVersion[] } {
  return version === undefined ? {} : { expected: [{ walletId, version }] };
}
