import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { Leg, Side, WalletChange, WalletEvent } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import type { JournalEvent } from "./journal-audit.ts";
import { amountText, unitsOf } from "./money-units.ts";

/** One version of a wallet, as the journal makes it. */
export interface WalletVersion {
  /** Ten-thousandths, replayed from the legs. */
  readonly units: bigint;
  readonly position: bigint;
  readonly committedAtMs: number;
  readonly occurredAtMs: number;
  readonly head: Buffer;
}

/** A wallet's whole life. */
export interface WalletTrail {
  readonly userId: string;
  readonly currency: string;
  readonly createdAtMs: number;
  /** Version v stands at index v. */
  readonly versions: WalletVersion[];
}

/** Replays events in the order of their positions. */
export interface Trails {
  readonly byWallet: ReadonlyMap<string, WalletTrail>;
  add(event: JournalEvent): void;
}

/** Creates an empty replay; what is wrong with an event goes into the findings. */
export function createTrails(findings: string[]): Trails {
  const byWallet = new Map<string, WalletTrail>();
  return {
    byWallet,
    add(journalEvent) {
      const { position, event } = journalEvent;
      const complain = (text: string): void => {
        findings.push(`position ${position}: ${text}`);
      };
      if (event.occurredAt === undefined) complain("the event has no occurred_at");
      auditShape(event, complain);
      auditTouched(event, complain);
      for (const change of event.changes) {
        const wrong = (text: string): void => complain(`wallet ${change.walletId}: ${text}`);
        addChange(byWallet, journalEvent, change, wrong);
      }
    },
  };
}

type Complain = (text: string) => void;

/** The legs and changes that each kind of event must have. */
function auditShape({ kind, legs, changes }: WalletEvent, complain: Complain): void {
  const sides = legs.map(({ from, to }) => `${from?.side.case}→${to?.side.case}`).join();
  const expected: Readonly<Record<string, { sides: string; changes: number }>> = {
    walletCreated: { sides: "", changes: 1 },
    walletFunded: { sides: "account→walletId", changes: 1 },
    transferCompleted: { sides: "walletId→walletId", changes: 2 },
  };
  if (kind.case === undefined) {
    complain("the event has no kind");
    return;
  }
  const shape = expected[kind.case];
  if (shape === undefined) {
    complain(`${kind.case} is not expected here`);
    return;
  }
  if (sides !== shape.sides) complain(`${kind.case} has the legs ${sides}`);
  if (changes.length !== shape.changes) complain(`${kind.case} has ${changes.length} changes`);
  for (const { from, amount } of legs) {
    const units = unitsOf(amount);
    if (units === undefined || units <= 0n) complain(`a leg has the amount ${amount}`);
    if (from?.side.case === "account" && from.side.value !== "external") {
      complain(`money comes from the account ${from.side.value}`);
    }
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

function addChange(
  byWallet: Map<string, WalletTrail>,
  { position, committedAtMs, head, event }: JournalEvent,
  change: WalletChange,
  wrong: Complain,
): void {
  const occurredAtMs = event.occurredAt === undefined ? 0 : timestampMs(event.occurredAt);
  const trail = byWallet.get(change.walletId) ?? {
    userId: change.userId,
    currency: change.currency,
    createdAtMs: occurredAtMs,
    versions: [],
  };
  byWallet.set(change.walletId, trail);
  const before = trail.versions.at(-1);
  if ((before === undefined) !== (event.kind.case === "walletCreated")) {
    wrong(`${event.kind.case} of a wallet with ${trail.versions.length} versions`);
  }
  if (change.version !== BigInt(trail.versions.length)) {
    wrong(`version ${change.version} comes where ${trail.versions.length} is next`);
  }
  if (!Buffer.from(change.previousHead).equals(before?.head ?? Buffer.alloc(0))) {
    wrong(`previous_head of version ${change.version} is not the head of the version before`);
  }
  if (before !== undefined && occurredAtMs < before.occurredAtMs) {
    wrong(`version ${change.version} happened before version ${change.version - 1n}`);
  }
  const net = netUnits(change.walletId, event.legs);
  const units = (before?.units ?? 0n) + net;
  auditState(trail, change, { net, units }, wrong);
  for (const { currency } of event.legs) {
    if (currency !== trail.currency)
      wrong(`a leg in ${currency} moves a wallet in ${trail.currency}`);
  }
  trail.versions.push({ units, position, committedAtMs, occurredAtMs, head });
}

function auditState(
  trail: WalletTrail,
  change: WalletChange,
  { net, units }: { net: bigint; units: bigint },
  wrong: Complain,
): void {
  const { version, balance, amount, userId, currency } = change;
  if (balance !== amountText(units)) {
    wrong(`balance ${balance} at version ${version}, ${amountText(units)} replayed from the legs`);
  }
  if (units < 0n) wrong(`the balance is ${amountText(units)} at version ${version}`);
  if (amount !== amountText(net)) {
    wrong(`the change of version ${version} is ${amount}, the legs say ${amountText(net)}`);
  }
  if (change.held !== amountText(0n)) wrong(`held is ${change.held} at version ${version}`);
  if (change.status !== WalletStatus.ACTIVE) wrong(`status ${change.status} at ${version}`);
  if (userId !== trail.userId || currency !== trail.currency) {
    wrong(`of ${userId} in ${currency} at version ${version}, before of another`);
  }
}

function netUnits(walletId: string, legs: readonly Leg[]): bigint {
  let net = 0n;
  for (const { from, to, amount } of legs) {
    const units = unitsOf(amount) ?? 0n;
    if (walletOf(from) === walletId) net -= units;
    if (walletOf(to) === walletId) net += units;
  }
  return net;
}

function walletOf(side: Side | undefined): string | undefined {
  return side?.side.case === "walletId" ? side.side.value : undefined;
}
