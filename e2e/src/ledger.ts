import type { Wallet } from "@pelikuni/gen/wallet/v1/wallet_pb";

/** What a caller wants done, once; an empty request_id stands for none. */
export type Order = { readonly requestId: string } & (
  | { readonly kind: "create"; readonly userId: string }
  | { readonly kind: "fund"; readonly to: string; readonly units: bigint }
  | {
      readonly kind: "transfer";
      readonly from: string;
      readonly to: string;
      /** Ten-thousandths of the currency. */
      readonly units: bigint;
      readonly expectedVersion?: bigint;
      /** Uses the request_id of an acknowledged order with other input, on purpose. */
      readonly reusesRequestId?: true;
    }
);

/** What a caller was promised. */
export interface Acknowledgement {
  readonly transactionId: string;
  readonly position: bigint;
  readonly occurredAtMs: number;
  /** As answered, in the order of the event's changes. */
  readonly wallets: readonly Wallet[];
}

/** What one attempt at an order was answered. A fault leaves the order open. */
export type Outcome =
  | { readonly acknowledged: Acknowledgement }
  | { readonly refused: string }
  | {
      readonly fault: { readonly code: string; readonly reason: string; readonly message: string };
    };

/** One attempt at an order, on one replica. */
export interface Attempt {
  readonly order: Order;
  /** The replica's number, from 0. */
  readonly replica: number;
  /** The caller's deadline, where he set one. */
  readonly timeoutMs?: number | undefined;
  /** Not after the call was sent: milliseconds since 1970, on the clock of this machine. */
  readonly startMs: number;
  /** Not before the answer was there. */
  readonly endMs: number;
  readonly outcome: Outcome;
}

/** One wallet read; nothing was answered where there is no wallet. */
export interface Reading {
  readonly replica: number;
  readonly walletId: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly wallet: Wallet | undefined;
  readonly fault: string | undefined;
}

/** Everything that callers sent and were answered, to be held against the database. */
export interface Ledger {
  readonly attempts: Attempt[];
  readonly readings: Reading[];
}

/** An empty ledger. */
export function createLedger(): Ledger {
  return { attempts: [], readings: [] };
}

/** The order in a few words, for findings. */
export function describeOrder(order: Order): string {
  const key = order.requestId === "" ? "without request_id" : `request_id ${order.requestId}`;
  if (order.kind === "create") return `create for ${order.userId}, ${key}`;
  if (order.kind === "fund") return `fund ${order.to} with ${order.units} units, ${key}`;
  return `transfer of ${order.units} units from ${order.from} to ${order.to}, ${key}`;
}
