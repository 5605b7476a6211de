import type { ExpectedVersion } from "../src/decide/command.ts";
import type { HoldStatus, Side, WalletStatus } from "../src/wallet.ts";

/** A wallet of the model; what it holds back is what its open holds have remaining. */
export interface ModelWallet {
  units: bigint;
  version: bigint;
  status: WalletStatus;
  limit: bigint | undefined;
  metadata: Readonly<Record<string, string>>;
  updateMs: number;
  readonly currency: string;
}

/** A hold of the model. */
export interface ModelHold {
  captured: bigint;
  status: HoldStatus;
  readonly walletId: string;
  readonly units: bigint;
  readonly expireMs: number;
}

/** A movement of the model, in ten-thousandths. */
export interface ModelLeg {
  readonly from: Side;
  readonly to: Side;
  readonly units: bigint;
}

/** A transaction of the model, and what was taken back of its legs. */
export interface ModelTransaction {
  readonly legs: readonly ModelLeg[];
  readonly isReversal: boolean;
  readonly reversed: bigint[];
}

/** Everything there is. */
export interface ModelState {
  readonly wallets: Map<string, ModelWallet>;
  readonly holds: Map<string, ModelHold>;
  readonly transactions: Map<string, ModelTransaction>;
}

/** What a command would do. */
export interface Plan {
  readonly atMs: number;
  /** The wallets touched, in order. */
  readonly walletIds: readonly string[];
  readonly legs: readonly ModelLeg[];
  readonly apply: () => void;
  readonly holdId?: string;
  readonly reversal?: readonly { readonly index: number; readonly units: bigint }[];
  readonly settingsOf?: string;
}

/** What a command would do, or the reason of its refusal. */
export type Outcome = string | Plan;

/** The largest balance in ten-thousandths. */
export const unitsMax = 9_999_999_999_999_999_999n;

/** The decimals of the currencies configured. */
export const decimals: Readonly<Record<string, number>> = { USD: 4, EUR: 4, JPY: 0, KWD: 3 };
/** The most that may leave a wallet at once, where that is configured. */
const transferMax: Readonly<Record<string, bigint>> = { JPY: 250_000n };
/** The accounts configured. */
export const accounts = ["external", "bank", "fees", "fx"];

/** What a movement names, and what it does beside its legs. */
interface Movement {
  readonly legs: readonly ModelLeg[];
  /** A wallet that is touched without a leg. */
  readonly walletId?: string;
  readonly expected?: readonly ExpectedVersion[] | undefined;
}

/** Shape, existence, expected versions, currency and precision, in this order. */
export function namingRefusal(
  { wallets }: ModelState,
  { legs, walletId, expected = [] }: Movement,
): string | undefined {
  for (const { from, to } of legs) {
    if ("walletId" in from && "walletId" in to) {
      if (from.walletId === to.walletId) return "SAME_WALLET";
    } else {
      const named = [from, to].flatMap((side) => ("account" in side ? [side.account] : []));
      if (named.length === 2) return "LEG_WITHOUT_WALLET";
      if (named.some((name) => !accounts.includes(name))) return "UNKNOWN_ACCOUNT";
    }
  }
  const ids = [...(walletId === undefined ? [] : [walletId]), ...walletIdsOf(legs)];
  if (ids.some((id) => !wallets.has(id))) return "WALLET_NOT_FOUND";
  if (expected.some((one) => wallets.get(one.walletId)?.version !== one.version)) {
    return "VERSION_CONFLICT";
  }
  for (const leg of legs) {
    const [currency = "", other = currency] = walletIdsOf([leg]).map((id) => {
      return wallets.get(id)?.currency;
    });
    if (currency !== other) return "CURRENCY_MISMATCH";
    if (!isPrecise(leg.units, currency)) return "AMOUNT_PRECISION";
  }
  return undefined;
}

/** Frozen and closed wallets along the legs. */
export function statusRefusal(
  { wallets }: ModelState,
  legs: readonly ModelLeg[],
): string | undefined {
  for (const { from, to } of legs) {
    const payer = "walletId" in from ? wallets.get(from.walletId) : undefined;
    if (payer && payer.status !== "ACTIVE") return frozenOrClosed(payer);
    const payee = "walletId" in to ? wallets.get(to.walletId) : undefined;
    if (payee?.status === "FROZEN" || payee?.status === "CLOSED") return frozenOrClosed(payee);
  }
  return undefined;
}

/** Why a wallet that is not active does nothing. */
export function frozenOrClosed({ status }: ModelWallet): string {
  return status === "CLOSED" ? "WALLET_CLOSED" : "WALLET_FROZEN";
}

/** Moves money along legs, wallet by wallet; balances are looked at first, then limits. */
export function settle(
  state: ModelState,
  movement: Movement & {
    readonly nowMs: number;
    readonly heldBack?: { readonly walletId: string; readonly units: bigint };
    readonly limited?: boolean;
  },
): Outcome {
  const { legs, walletId, nowMs, heldBack, limited = false } = movement;
  const walletIds = [
    ...new Set([...(walletId === undefined ? [] : [walletId]), ...walletIdsOf(legs)]),
  ];
  const atMs = atMsOf(state, walletIds, nowMs);
  const changes = walletIds.map((id) => {
    const wallet = walletIn(state, id);
    const moreHeld = heldBack?.walletId === id ? heldBack.units : 0n;
    return { id, wallet, net: netOf(id, legs), held: heldOf(state, id) + moreHeld, moreHeld };
  });
  if (changes.some(({ wallet, net, held }) => wallet.units + net < held)) {
    return "INSUFFICIENT_BALANCE";
  }
  if (changes.some(({ wallet, net }) => wallet.units + net > unitsMax)) return "BALANCE_LIMIT";
  for (const { wallet, id, moreHeld } of changes) {
    const taken = moreHeld > 0n ? moreHeld : outOf(id, legs);
    if (limited && taken > (transferMax[wallet.currency] ?? taken)) return "TRANSFER_LIMIT";
    if (limited && wallet.limit !== undefined && taken > wallet.limit) return "WALLET_LIMIT";
  }
  const apply = (): void => {
    for (const { wallet, net } of changes) {
      wallet.units += net;
      wallet.version += 1n;
      wallet.updateMs = atMs;
    }
  };
  return { atMs, walletIds, legs, apply };
}

/** All that legs take out of a wallet, whatever they bring it. */
function outOf(walletId: string, legs: readonly ModelLeg[]): bigint {
  const out = legs.filter(({ from }) => "walletId" in from && from.walletId === walletId);
  return out.reduce((sum, { units }) => sum + units, 0n);
}

/** A plan that does more. */
export function andThen(planned: Outcome, more: Partial<Plan>, then: () => unknown): Outcome {
  if (typeof planned === "string") return planned;
  const apply = (): void => {
    planned.apply();
    then();
  };
  return { ...planned, ...more, apply };
}

/** What is held back of a wallet. */
export function heldOf({ holds }: ModelState, walletId: string): bigint {
  let held = 0n;
  for (const hold of holds.values()) {
    if (hold.walletId === walletId && hold.status === "OPEN") held += hold.units - hold.captured;
  }
  return held;
}

/** When it happens: never before the last change of a wallet touched. */
export function atMsOf(state: ModelState, ids: readonly string[], nowMs: number): number {
  return Math.max(nowMs, ...ids.map((id) => walletIn(state, id).updateMs));
}

/** The wallets that legs name, in order. */
export function walletIdsOf(legs: readonly Pick<ModelLeg, "from" | "to">[]): string[] {
  const sides = legs.flatMap(({ from, to }) => [from, to]);
  const ids = sides.flatMap((side) => ("walletId" in side ? [side.walletId] : []));
  return [...new Set(ids)];
}

/** A wallet that exists. */
export function walletIn({ wallets }: ModelState, id: string): ModelWallet {
  const wallet = wallets.get(id);
  if (wallet === undefined) throw new Error(`The model lacks wallet ${id}.`);
  return wallet;
}

/** Whether an amount is a multiple of the currency's smallest unit. */
export function isPrecise(units: bigint, currency: string): boolean {
  return units % 10n ** BigInt(4 - (decimals[currency] ?? 4)) === 0n;
}

function netOf(walletId: string, legs: readonly ModelLeg[]): bigint {
  let net = 0n;
  for (const { from, to, units } of legs) {
    if ("walletId" in from && from.walletId === walletId) net -= units;
    if ("walletId" in to && to.walletId === walletId) net += units;
  }
  return net;
}
