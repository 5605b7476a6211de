import { type Amount, add, balanceMax, isLess, subtract, zero } from "./money.ts";

/** Whether a wallet takes part in movements of money. */
export type WalletStatus = "ACTIVE";

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
  /** 0 at creation, one more with every change. */
  readonly version: bigint;
  /** Milliseconds since 1970, UTC. */
  readonly createTimeMs: number;
  /** Milliseconds since 1970, UTC: when the latest event happened. */
  readonly updateTimeMs: number;
}

/** One end of a movement: a wallet, or a named account outside the wallets. */
export type Side = { readonly walletId: string } | { readonly account: string };

/** A movement of one amount from one place to another. It cannot be unbalanced. */
export interface Leg {
  readonly from: Side;
  readonly to: Side;
  readonly amount: Amount;
}

/** What a caller wants done. Money moves by legs alone; fund and transfer are two shapes of them. */
export type Command =
  | {
      readonly kind: "walletCreated";
      readonly walletId: string;
      readonly userId: string;
      readonly currency: string;
    }
  | {
      readonly kind: "walletFunded" | "transferCompleted";
      readonly legs: readonly Leg[];
      /** The caller acts on this version of this wallet only. */
      readonly expected?: { readonly walletId: string; readonly version: bigint };
    };

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
  readonly kind: Command["kind"];
  readonly occurredAtMs: number;
  readonly legs: readonly (Leg & { readonly currency: string })[];
  /** One for each wallet touched, in order of first appearance in the legs. */
  readonly changes: readonly WalletChange[];
}

/** Why a command is refused. The reason is what callers see as ErrorInfo.reason. */
export type Refusal =
  | { readonly reason: "SAME_WALLET" }
  | { readonly reason: "WALLET_NOT_FOUND"; readonly walletId: string }
  | {
      readonly reason: "VERSION_CONFLICT";
      readonly walletId: string;
      readonly version: bigint;
      readonly expectedVersion: bigint;
    }
  | { readonly reason: "CURRENCY_MISMATCH" }
  | { readonly reason: "INSUFFICIENT_BALANCE"; readonly walletId: string }
  | { readonly reason: "BALANCE_LIMIT"; readonly walletId: string };

/** A decision, or the refusal in its place. */
export type Outcome = { readonly decision: Decision } | { readonly refusal: Refusal };

/** Brings money into a wallet from an account outside. */
export function fund(walletId: string, amount: Amount, expectedVersion?: bigint): Command {
  const legs = [{ from: { account: "external" }, to: { walletId }, amount }];
  return { kind: "walletFunded", legs, ...expectation(walletId, expectedVersion) };
}

/** Moves money between two wallets; the expected version is the paying wallet's. */
export function transfer(
  fromWalletId: string,
  toWalletId: string,
  amount: Amount,
  expectedVersion?: bigint,
): Command {
  const legs = [{ from: { walletId: fromWalletId }, to: { walletId: toWalletId }, amount }];
  return { kind: "transferCompleted", legs, ...expectation(fromWalletId, expectedVersion) };
}

function expectation(
  walletId: string,
  version: bigint | undefined,
): { expected?: { walletId: string; version: bigint } } {
  return version === undefined ? {} : { expected: { walletId, version } };
}

/** The wallets whose states decide the command, in order of first appearance in its legs. */
export function walletIdsOf(command: Command): string[] {
  if (command.kind === "walletCreated") return [];
  const ids: string[] = [];
  for (const { from, to } of command.legs) {
    if ("walletId" in from && !ids.includes(from.walletId)) ids.push(from.walletId);
    if ("walletId" in to && !ids.includes(to.walletId)) ids.push(to.walletId);
  }
  return ids;
}

/**
 * Decides a command on the given states. Pure: the same input always gives the same outcome.
 *
 * Refusals are looked for in this order: shape, existence, expected version, currency, balance.
 *
 * @param stateOf the state of a wallet; `undefined` for one that does not exist
 * @param nowMs milliseconds since 1970; an event never happens before the wallets' last change
 */
export function decide(
  stateOf: (walletId: string) => WalletState | undefined,
  command: Command,
  nowMs: number,
): Outcome {
  if (command.kind === "walletCreated") return { decision: created(command, nowMs) };
  if (command.legs.some(isWithinOneWallet)) return refuse({ reason: "SAME_WALLET" });

  const states = new Map<string, WalletState>();
  for (const walletId of walletIdsOf(command)) {
    const state = stateOf(walletId);
    if (state === undefined) return refuse({ reason: "WALLET_NOT_FOUND", walletId });
    states.set(walletId, state);
  }
  const conflict = versionConflict(states, command.expected);
  if (conflict !== undefined) return refuse(conflict);

  const legs: (Leg & { currency: string })[] = [];
  for (const leg of command.legs) {
    const currency = currencyOf(leg, states);
    if (currency === undefined) return refuse({ reason: "CURRENCY_MISMATCH" });
    legs.push({ ...leg, currency });
  }
  return settle(command.kind, legs, states, nowMs);
}

/** Nets the legs wallet by wallet; only the final balances are checked. */
function settle(
  kind: Decision["kind"],
  legs: Decision["legs"],
  states: ReadonlyMap<string, WalletState>,
  nowMs: number,
): Outcome {
  let occurredAtMs = nowMs;
  for (const state of states.values()) occurredAtMs = Math.max(occurredAtMs, state.updateTimeMs);

  const changes: WalletChange[] = [];
  for (const before of states.values()) {
    const amount = netAmount(before.id, legs);
    const balance = add(before.balance, amount);
    if (isLess(balance, before.held)) {
      return refuse({ reason: "INSUFFICIENT_BALANCE", walletId: before.id });
    }
    if (isLess(balanceMax, balance)) {
      return refuse({ reason: "BALANCE_LIMIT", walletId: before.id });
    }
    const version = before.version + 1n;
    const after = { ...before, balance, version, updateTimeMs: occurredAtMs };
    changes.push({ before, after, amount });
  }
  return { decision: { kind, occurredAtMs, legs, changes } };
}

function netAmount(walletId: string, legs: readonly Leg[]): Amount {
  let net = zero;
  for (const { from, to, amount } of legs) {
    if ("walletId" in from && from.walletId === walletId) net = subtract(net, amount);
    if ("walletId" in to && to.walletId === walletId) net = add(net, amount);
  }
  return net;
}

function created(
  { walletId, userId, currency }: Extract<Command, { kind: "walletCreated" }>,
  nowMs: number,
): Decision {
  const after: WalletState = {
    id: walletId,
    userId,
    currency,
    balance: zero,
    held: zero,
    status: "ACTIVE",
    version: 0n,
    createTimeMs: nowMs,
    updateTimeMs: nowMs,
  };
  return {
    kind: "walletCreated",
    occurredAtMs: nowMs,
    legs: [],
    changes: [{ before: undefined, after, amount: zero }],
  };
}

function isWithinOneWallet({ from, to }: Leg): boolean {
  return "walletId" in from && "walletId" in to && from.walletId === to.walletId;
}

function versionConflict(
  states: ReadonlyMap<string, WalletState>,
  expected: { readonly walletId: string; readonly version: bigint } | undefined,
): Refusal | undefined {
  if (expected === undefined) return undefined;
  const { walletId, version: expectedVersion } = expected;
  const version = states.get(walletId)?.version;
  if (version === undefined || version === expectedVersion) return undefined;
  return { reason: "VERSION_CONFLICT", walletId, version, expectedVersion };
}

/** The currency of a leg's wallets; `undefined` when they differ. */
function currencyOf(
  { from, to }: Leg,
  states: ReadonlyMap<string, WalletState>,
): string | undefined {
  const paid = "walletId" in from ? states.get(from.walletId)?.currency : undefined;
  const received = "walletId" in to ? states.get(to.walletId)?.currency : undefined;
  return paid === undefined || received === undefined || paid === received
    ? (paid ?? received)
    : undefined;
}

function refuse(refusal: Refusal): { refusal: Refusal } {
  return { refusal };
}
