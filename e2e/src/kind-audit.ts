import type { Leg, Side, WalletEvent } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { amountText, unitsOf } from "./money-units.ts";

/** Notes what is wrong with an event. */
export type Complain = (text: string) => void;

interface Shape {
  /** How the legs go, for example "account→walletId"; undefined: as they like, but there are some. */
  readonly sides: string | undefined;
  /** How many wallets change; undefined: as the legs say. */
  readonly changes: number | undefined;
}

const shapes: Readonly<Record<NonNullable<WalletEvent["kind"]["case"]>, Shape>> = {
  walletCreated: { sides: "", changes: 1 },
  walletFunded: { sides: "account→walletId", changes: 1 },
  transferCompleted: { sides: "walletId→walletId", changes: 2 },
  transactionPosted: { sides: undefined, changes: undefined },
  holdPlaced: { sides: "", changes: 1 },
  holdReleased: { sides: "", changes: 1 },
  walletStatusChanged: { sides: "", changes: 1 },
  walletUpdated: { sides: "", changes: 1 },
};

/** Looks at an event by itself: the shape of its kind, whole legs, and money that is conserved. */
export function auditKind(event: WalletEvent, complain: Complain): void {
  const { kind, legs, changes } = event;
  for (const leg of legs) auditLeg(leg, complain);
  auditTouched(event, complain);
  auditConservation(event, complain);
  if (kind.case === undefined) {
    complain("the event has no kind");
    return;
  }
  const shape = isSweep(event) ? sweepShape(event) : shapes[kind.case];
  const sides = legs.map(({ from, to }) => `${from?.side.case}→${to?.side.case}`).join();
  if (shape.sides === undefined ? legs.length === 0 : sides !== shape.sides) {
    complain(`${kind.case} has the legs ${sides}`);
  }
  if (shape.changes !== undefined && changes.length !== shape.changes) {
    complain(`${kind.case} has ${changes.length} changes`);
  }
  if (kind.case === "transactionPosted" && kind.value.hold && kind.value.reversal) {
    complain("the event is a capture and a reversal");
  }
  if (kind.case === "walletUpdated" && kind.value.settings === undefined) {
    complain("walletUpdated has no settings");
  }
}

/** The closing of a wallet with money in it. */
function isSweep({ kind, legs, changes }: WalletEvent): boolean {
  const closed = changes[0]?.status === WalletStatus.CLOSED;
  return kind.case === "walletStatusChanged" && closed && legs.length > 0;
}

function sweepShape({ legs }: WalletEvent): Shape {
  const toWallet = legs[0]?.to?.side.case === "walletId";
  return toWallet
    ? { sides: "walletId→walletId", changes: 2 }
    : { sides: "walletId→account", changes: 1 };
}

function auditLeg({ from, to, amount }: Leg, complain: Complain): void {
  const units = unitsOf(amount);
  if (units === undefined || units <= 0n) complain(`a leg has the amount ${amount}`);
  const wallets = [walletOf(from), walletOf(to)];
  if (wallets.every((id) => id === undefined)) complain("a leg has no wallet");
  if (wallets[0] !== undefined && wallets[0] === wallets[1]) {
    complain(`a leg goes from wallet ${wallets[0]} to itself`);
  }
  for (const side of [from, to]) {
    if (side?.side.case === undefined || side.side.value === "") complain("a leg has no such end");
  }
}

/** The changes must name the legs' wallets, in order of first appearance. */
function auditTouched({ legs, changes }: WalletEvent, complain: Complain): void {
  if (legs.length === 0) return;
  const named = legs.flatMap(({ from, to }) => [walletOf(from), walletOf(to)]);
  const touched = [...new Set(named.filter((id) => id !== undefined))].join(", ");
  const changed = changes.map(({ walletId }) => walletId).join(", ");
  if (changed !== touched) complain(`the legs touch ${touched}, the changes name ${changed}`);
}

/** For each currency, what wallets got and what accounts got is nothing together. */
function auditConservation({ legs, changes }: WalletEvent, complain: Complain): void {
  const sums = new Map<string, bigint>();
  const add = (currency: string, units: bigint): void => {
    sums.set(currency, (sums.get(currency) ?? 0n) + units);
  };
  for (const { currency, amount } of changes) add(currency, unitsOf(amount) ?? 0n);
  for (const { from, to, amount, currency } of legs) {
    const units = unitsOf(amount) ?? 0n;
    if (from?.side.case === "account") add(currency, -units);
    if (to?.side.case === "account") add(currency, units);
  }
  for (const [currency, units] of sums) {
    if (units !== 0n)
      complain(`wallets and accounts get ${amountText(units)} ${currency} together`);
  }
}

/** The wallet at one end of a leg, if it is one. */
export function walletOf(side: Side | undefined): string | undefined {
  return side?.side.case === "walletId" ? side.side.value : undefined;
}

/** What the legs add to a wallet's balance. */
export function netUnits(walletId: string, legs: readonly Leg[]): bigint {
  let net = 0n;
  for (const { from, to, amount } of legs) {
    const units = unitsOf(amount) ?? 0n;
    if (walletOf(from) === walletId) net -= units;
    if (walletOf(to) === walletId) net += units;
  }
  return net;
}
