import { type Amount, add, balanceMax, hasDecimals, isLess, subtract, zero } from "../money.ts";
import {
  type Decision,
  type Leg,
  type Outcome,
  type PricedLeg,
  type Refusal,
  type Side,
  type WalletChange,
  type WalletState,
  type WalletStatus,
  walletIdsOfLegs,
} from "../wallet.ts";
import type { Basis, ExpectedVersion, Rules } from "./command.ts";

/** Legs whose wallets exist, with the states of all wallets touched. */
export interface Movement {
  readonly rules: Rules;
  readonly legs: readonly PricedLeg[];
  /** In order of first appearance in the legs. */
  readonly states: ReadonlyMap<string, WalletState>;
  /** Never before the last change of any of the wallets. */
  readonly occurredAtMs: number;
}

/** What a decision does beside moving money along the legs. */
export interface Settlement
  extends Pick<Decision, "kind" | "hold" | "reversal" | "exchange" | "reason" | "metadata"> {
  /** What is added to what a wallet holds back; negative when it is freed. */
  readonly held?: { readonly walletId: string; readonly amount: Amount };
  /** What else one wallet becomes. */
  readonly becomes?: {
    readonly walletId: string;
    readonly status?: WalletStatus;
    /** `undefined` takes the limit away. */
    readonly transferLimit?: Amount | undefined;
  };
  /** Whether limits of amounts hold: they do not for what was agreed before. */
  readonly limited: boolean;
}

/**
 * Looks up the wallets of legs, and of a command without any: shape, existence, expected versions,
 * precision and currency, in this order.
 */
export function prepare(
  basis: Basis,
  command: {
    readonly legs: readonly Leg[];
    /** Whether the amounts are all that there is, which must get out in any precision. */
    readonly isWhole?: boolean;
    /** A wallet that is touched without a leg. */
    readonly walletId?: string;
    readonly expected?: readonly ExpectedVersion[] | undefined;
  },
): Movement | { readonly refusal: Refusal } {
  for (const leg of command.legs) {
    const misshapen = shapeRefusal(leg, basis.rules);
    if (misshapen !== undefined) return { refusal: misshapen };
  }
  const states = new Map<string, WalletState>();
  let occurredAtMs = basis.nowMs;
  const named = command.walletId === undefined ? [] : [command.walletId];
  for (const walletId of [...named, ...walletIdsOfLegs(command.legs)]) {
    const state = basis.walletOf(walletId);
    if (state === undefined) return refuse({ reason: "WALLET_NOT_FOUND", walletId });
    states.set(walletId, state);
    occurredAtMs = Math.max(occurredAtMs, state.updateTimeMs);
  }
  const conflict = versionConflict(states, command.expected);
  if (conflict !== undefined) return refuse(conflict);
  const legs: PricedLeg[] = [];
  for (const leg of command.legs) {
    const currency = currencyOf(leg, states);
    if (currency === undefined) return refuse({ reason: "CURRENCY_MISMATCH" });
    const refused = command.isWhole === true ? undefined : currencyRefusal(leg, currency, basis);
    if (refused !== undefined) return refuse(refused);
    legs.push({ ...leg, currency });
  }
  return { rules: basis.rules, legs, states, occurredAtMs };
}

/** Refuses what a frozen or closed wallet may not do along the legs. */
export function statusRefusal({ legs, states }: Movement): Refusal | undefined {
  for (const { from, to } of legs) {
    const refused = payingRefusal(stateOf(from, states)) ?? receivingRefusal(stateOf(to, states));
    if (refused !== undefined) return refused;
  }
  return undefined;
}

/** Refuses that money leaves a wallet, or is set aside. */
export function payingRefusal(wallet: WalletState | undefined): Refusal | undefined {
  if (wallet === undefined || wallet.status === "ACTIVE") return undefined;
  return closedRefusal(wallet) ?? { reason: "WALLET_FROZEN", walletId: wallet.id };
}

/** Refuses everything of a closed wallet. */
export function closedRefusal({ id, status }: WalletState): Refusal | undefined {
  return status === "CLOSED" ? { reason: "WALLET_CLOSED", walletId: id } : undefined;
}

/** Refuses new money of a currency that is no longer configured, and amounts too fine for one. */
function currencyRefusal(
  { from, amount }: Leg,
  currency: string,
  { rules }: Basis,
): Refusal | undefined {
  return "account" in from && rules.currencyOf(currency) === undefined
    ? { reason: "UNKNOWN_CURRENCY", currency }
    : precisionRefusal(amount, currency, rules);
}

/** Refuses an amount that is no multiple of the currency's smallest unit. */
export function precisionRefusal(
  amount: Amount,
  currency: string,
  rules: Rules,
): Refusal | undefined {
  // Of a currency that is no longer configured every amount passes: its money must get out.
  const decimals = rules.currencyOf(currency)?.decimals;
  return decimals === undefined || hasDecimals(amount, decimals)
    ? undefined
    : { reason: "AMOUNT_PRECISION", currency, decimals };
}

/** Nets the legs wallet by wallet and checks the final balances, then the limits. */
export function settle(
  { rules, legs, states, occurredAtMs }: Movement,
  { held, becomes, limited, ...rest }: Settlement,
): Outcome {
  const changes: WalletChange[] = [];
  for (const before of states.values()) {
    const amount = netAmount(before.id, legs);
    const after = {
      ...before,
      ...(becomes?.walletId === before.id ? becomesOf(becomes) : undefined),
      balance: add(before.balance, amount),
      held: held?.walletId === before.id ? add(before.held, held.amount) : before.held,
      version: before.version + 1n,
      updateTimeMs: occurredAtMs,
    };
    if (isLess(after.balance, after.held)) {
      return refuse({ reason: "INSUFFICIENT_BALANCE", walletId: before.id });
    }
    changes.push({ before, after, amount });
  }
  const refused =
    balanceLimitRefusal(changes) ??
    (limited ? limitRefusal(changes, legs, held, rules) : undefined);
  if (refused !== undefined) return refuse(refused);
  return { decision: { ...rest, occurredAtMs, legs, changes } };
}

/** A refusal in the place of an outcome. */
export function refuse(refusal: Refusal): { readonly refusal: Refusal } {
  return { refusal };
}

function becomesOf({
  walletId: _,
  ...others
}: NonNullable<Settlement["becomes"]>): Omit<NonNullable<Settlement["becomes"]>, "walletId"> {
  return others;
}

function balanceLimitRefusal(changes: readonly WalletChange[]): Refusal | undefined {
  const beyond = changes.find(({ after }) => isLess(balanceMax, after.balance));
  return beyond && { reason: "BALANCE_LIMIT", walletId: beyond.after.id };
}

/**
 * Compares all that legs take out of a wallet, or a hold sets aside, with the limit of its currency
 * and its own.
 */
function limitRefusal(
  changes: readonly WalletChange[],
  legs: readonly Leg[],
  held: Settlement["held"],
  rules: Rules,
): Refusal | undefined {
  for (const { after } of changes) {
    const { id: walletId, currency, transferLimit } = after;
    const transferMax = rules.currencyOf(currency)?.transferMax;
    if (transferMax === undefined && transferLimit === undefined) continue;
    const taken = held?.walletId === walletId ? held.amount : takenFrom(walletId, legs);
    if (transferMax !== undefined && isLess(transferMax, taken)) {
      return { reason: "TRANSFER_LIMIT", walletId, currency, limit: transferMax };
    }
    if (transferLimit !== undefined && isLess(transferLimit, taken)) {
      return { reason: "WALLET_LIMIT", walletId, limit: transferLimit };
    }
  }
  return undefined;
}

function takenFrom(walletId: string, legs: readonly Leg[]): Amount {
  return legs.reduce((sum, { from, amount }) => {
    return "walletId" in from && from.walletId === walletId ? add(sum, amount) : sum;
  }, zero);
}

function netAmount(walletId: string, legs: readonly Leg[]): Amount {
  let net = zero;
  for (const { from, to, amount } of legs) {
    if ("walletId" in from && from.walletId === walletId) net = subtract(net, amount);
    if ("walletId" in to && to.walletId === walletId) net = add(net, amount);
  }
  return net;
}

function shapeRefusal({ from, to }: Leg, rules: Rules): Refusal | undefined {
  if ("walletId" in from && "walletId" in to) {
    return from.walletId === to.walletId ? { reason: "SAME_WALLET" } : undefined;
  }
  if ("account" in from && "account" in to) return { reason: "LEG_WITHOUT_WALLET" };
  for (const side of [from, to]) {
    if ("account" in side && !rules.isAccount(side.account)) {
      return { reason: "UNKNOWN_ACCOUNT", account: side.account };
    }
  }
  return undefined;
}

function versionConflict(
  states: ReadonlyMap<string, WalletState>,
  expected: readonly ExpectedVersion[] = [],
): Refusal | undefined {
  for (const { walletId, version: expectedVersion } of expected) {
    const version = states.get(walletId)?.version;
    if (version === undefined || version === expectedVersion) continue;
    return { reason: "VERSION_CONFLICT", walletId, version, expectedVersion };
  }
  return undefined;
}

/** The currency of a leg's wallets; `undefined` when they differ. */
function currencyOf(
  { from, to }: Leg,
  states: ReadonlyMap<string, WalletState>,
): string | undefined {
  const paid = stateOf(from, states)?.currency;
  const received = stateOf(to, states)?.currency;
  return paid === undefined || received === undefined || paid === received
    ? (paid ?? received)
    : undefined;
}

function receivingRefusal(wallet: WalletState | undefined): Refusal | undefined {
  return wallet?.status === "FROZEN_OUTGOING" ? undefined : payingRefusal(wallet);
}

function stateOf(side: Side, states: ReadonlyMap<string, WalletState>): WalletState | undefined {
  return "walletId" in side ? states.get(side.walletId) : undefined;
}
