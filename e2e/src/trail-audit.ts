import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { WalletChange, WalletEvent } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { createHoldTrails, type HoldTrail, holdOf } from "./hold-audit.ts";
import type { JournalEvent } from "./journal-audit.ts";
import { auditKind, type Complain, netUnits, walletOf } from "./kind-audit.ts";
import { amountText, unitsOf } from "./money-units.ts";
import { createReversalTrails, type ReversalTrail } from "./reversal-audit.ts";

/** One version of a wallet, as the journal makes it; amounts are ten-thousandths. */
export interface WalletVersion {
  /** Replayed from the legs. */
  readonly units: bigint;
  /** Replayed from the holds. */
  readonly heldUnits: bigint;
  readonly status: WalletStatus;
  /** The most that may leave it at once; undefined for no limit. */
  readonly limitUnits: bigint | undefined;
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
  /** The pairs that are kept beside it. */
  metadata: Readonly<Record<string, string>>;
}

/** Replays events in the order of their positions. */
export interface Trails {
  readonly byWallet: ReadonlyMap<string, WalletTrail>;
  readonly holds: ReadonlyMap<string, HoldTrail>;
  readonly reversals: ReadonlyMap<string, ReversalTrail>;
  add(event: JournalEvent): void;
}

/** Creates an empty replay; what is wrong with an event goes into the findings. */
export function createTrails(findings: string[]): Trails {
  const byWallet = new Map<string, WalletTrail>();
  const holds = createHoldTrails();
  const reversals = createReversalTrails();
  return {
    byWallet,
    holds: holds.byId,
    reversals: reversals.byTransaction,
    add(journalEvent) {
      const { position, event } = journalEvent;
      const complain = (text: string): void => {
        findings.push(`position ${position}: ${text}`);
      };
      if (event.occurredAt === undefined) complain("the event has no occurred_at");
      auditKind(event, complain);
      auditAllowed(event, byWallet, complain);
      holds.add(journalEvent, complain);
      reversals.add(journalEvent, complain);
      for (const change of event.changes) {
        const wrong = (text: string): void => complain(`wallet ${change.walletId}: ${text}`);
        const heldUnits = holds.heldOf(change.walletId);
        addChange(byWallet, journalEvent, { change, heldUnits }, wrong);
      }
    },
  };
}

/** What wallets could do in the states that they had before. */
function auditAllowed(
  event: WalletEvent,
  byWallet: ReadonlyMap<string, WalletTrail>,
  complain: Complain,
): void {
  const statusOf = (walletId: string | undefined): WalletStatus | undefined =>
    byWallet.get(walletId ?? "")?.versions.at(-1)?.status;
  const pays = (status: WalletStatus | undefined): boolean =>
    status === undefined || status === WalletStatus.ACTIVE;
  for (const { from, to } of event.legs) {
    if (!pays(statusOf(walletOf(from)))) complain(`wallet ${walletOf(from)} pays while frozen`);
    const received = statusOf(walletOf(to));
    if (!pays(received) && received !== WalletStatus.FROZEN_OUTGOING) {
      complain(`wallet ${walletOf(to)} is paid while frozen`);
    }
  }
  for (const { walletId } of event.changes) {
    const status = statusOf(walletId);
    if (status === WalletStatus.CLOSED) complain(`wallet ${walletId} changes after its end`);
    if (event.kind.case === "holdPlaced" && !pays(status)) {
      complain(`money of wallet ${walletId} is set aside while frozen`);
    }
  }
}

interface ReplayedChange {
  readonly change: WalletChange;
  /** What is set aside after the change. */
  readonly heldUnits: bigint;
}

function addChange(
  byWallet: Map<string, WalletTrail>,
  { position, committedAtMs, head, event }: JournalEvent,
  { change, heldUnits }: ReplayedChange,
  wrong: Complain,
): void {
  const occurredAtMs = event.occurredAt === undefined ? 0 : timestampMs(event.occurredAt);
  const trail = byWallet.get(change.walletId) ?? {
    userId: change.userId,
    currency: change.currency,
    createdAtMs: occurredAtMs,
    versions: [],
    metadata: {},
  };
  byWallet.set(change.walletId, trail);
  const before = trail.versions.at(-1);
  auditVersion(trail, { event, change, occurredAtMs }, wrong);
  const net = netUnits(change.walletId, event.legs);
  const units = (before?.units ?? 0n) + net;
  auditState(trail, change, { net, units, heldUnits }, wrong);
  auditStatus(before?.status ?? WalletStatus.ACTIVE, event, change, wrong);
  auditLimit(before?.limitUnits, event, net, wrong);
  for (const { from, to, currency } of event.legs) {
    if (currency === trail.currency) continue;
    if (![walletOf(from), walletOf(to)].includes(change.walletId)) continue;
    wrong(`a leg in ${currency} moves a wallet in ${trail.currency}`);
  }
  const { status } = change;
  const limitUnits = limitAfter(trail, event, before?.limitUnits);
  const state = { units, heldUnits, status, limitUnits };
  trail.versions.push({ ...state, position, committedAtMs, occurredAtMs, head });
}

function auditVersion(
  { versions }: WalletTrail,
  step: {
    readonly event: WalletEvent;
    readonly change: WalletChange;
    readonly occurredAtMs: number;
  },
  wrong: Complain,
): void {
  const { event, change, occurredAtMs } = step;
  const before = versions.at(-1);
  if ((before === undefined) !== (event.kind.case === "walletCreated")) {
    wrong(`${event.kind.case} of a wallet with ${versions.length} versions`);
  }
  if (change.version !== BigInt(versions.length)) {
    wrong(`version ${change.version} comes where ${versions.length} is next`);
  }
  if (!Buffer.from(change.previousHead).equals(before?.head ?? Buffer.alloc(0))) {
    wrong(`previous_head of version ${change.version} is not the head of the version before`);
  }
  if (before !== undefined && occurredAtMs < before.occurredAtMs) {
    wrong(`version ${change.version} happened before version ${change.version - 1n}`);
  }
}

function auditState(
  trail: WalletTrail,
  change: WalletChange,
  replayed: { readonly net: bigint; readonly units: bigint; readonly heldUnits: bigint },
  wrong: Complain,
): void {
  const { version, balance, held, amount, userId, currency } = change;
  const { net, units, heldUnits } = replayed;
  if (balance !== amountText(units)) {
    wrong(`balance ${balance} at version ${version}, ${amountText(units)} replayed from the legs`);
  }
  if (units < 0n) wrong(`the balance is ${amountText(units)} at version ${version}`);
  if (amount !== amountText(net)) {
    wrong(`the change of version ${version} is ${amount}, the legs say ${amountText(net)}`);
  }
  if (held !== amountText(heldUnits)) {
    wrong(`held is ${held} at version ${version}, ${amountText(heldUnits)} by its open holds`);
  }
  if (heldUnits < 0n || units < heldUnits) {
    wrong(`${amountText(heldUnits)} of ${amountText(units)} is held at version ${version}`);
  }
  if (userId !== trail.userId || currency !== trail.currency) {
    wrong(`of ${userId} in ${currency} at version ${version}, before of another`);
  }
}

/** The status changes by its own kind of event alone, of the wallet that is named first. */
function auditStatus(
  before: WalletStatus,
  { kind, changes }: WalletEvent,
  { walletId, version, status, balance, held }: WalletChange,
  wrong: Complain,
): void {
  if (status === WalletStatus.UNSPECIFIED || WalletStatus[status] === undefined) {
    wrong(`status ${status} at version ${version}`);
  }
  const mayChange = kind.case === "walletStatusChanged" && changes[0]?.walletId === walletId;
  if (status !== before && !mayChange) {
    wrong(`status ${WalletStatus[status]} at version ${version}, before ${WalletStatus[before]}`);
  }
  const empty = unitsOf(balance) === 0n && unitsOf(held) === 0n;
  if (status === WalletStatus.CLOSED && !empty) wrong(`closed with ${balance}, held ${held}`);
}

/** What may leave at once, or be set aside; what was agreed before is not limited. */
function auditLimit(
  limitUnits: bigint | undefined,
  event: WalletEvent,
  net: bigint,
  wrong: Complain,
): void {
  const { kind } = event;
  const agreed = kind.case === "transactionPosted" && (kind.value.hold || kind.value.reversal);
  if (limitUnits === undefined || agreed || kind.case === "walletStatusChanged") return;
  const placed = kind.case === "holdPlaced" ? unitsOf(holdOf(event)?.amount ?? "") : undefined;
  const taken = placed ?? -net;
  if (taken > limitUnits) wrong(`${amountText(taken)} leave it, at most ${amountText(limitUnits)}`);
}

function limitAfter(
  trail: WalletTrail,
  { kind }: WalletEvent,
  before: bigint | undefined,
): bigint | undefined {
  if (kind.case !== "walletUpdated") return before;
  trail.metadata = kind.value.settings?.metadata ?? {};
  return unitsOf(kind.value.settings?.limits?.singleTransferMax ?? "");
}
