import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { WalletEvent } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { type Hold, HoldStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import type { JournalEvent } from "./journal-audit.ts";
import { type Complain, walletOf } from "./kind-audit.ts";
import { amountText, unitsOf } from "./money-units.ts";

/** A hold as the events so far make it. */
export interface HoldTrail {
  readonly walletId: string;
  readonly currency: string;
  /** Ten-thousandths. */
  readonly units: bigint;
  readonly capturedUnits: bigint;
  readonly status: HoldStatus;
  readonly createTimeMs: number;
  readonly expireTimeMs: number;
  /** The wallet's version after the hold changed last. */
  readonly walletVersion: bigint;
  readonly position: bigint;
}

/** Replays holds in the order of positions. */
export interface HoldTrails {
  readonly byId: ReadonlyMap<string, HoldTrail>;
  /** What is set aside of a wallet: what is left of its open holds. */
  heldOf(walletId: string): bigint;
  add(event: JournalEvent, complain: Complain): void;
}

/** Creates an empty replay. */
export function createHoldTrails(): HoldTrails {
  const byId = new Map<string, HoldTrail>();
  const heldByWallet = new Map<string, bigint>();
  return {
    byId,
    heldOf: (walletId) => heldByWallet.get(walletId) ?? 0n,
    add({ event, position }, complain) {
      const hold = holdOf(event);
      if (hold === undefined) {
        if (event.kind.case === "holdPlaced" || event.kind.case === "holdReleased") {
          complain(`${event.kind.case} has no hold`);
        }
        return;
      }
      const wrong = (text: string): void => complain(`hold ${hold.id}: ${text}`);
      const before = byId.get(hold.id);
      const after = trailOf(hold, event, position, wrong);
      auditStep(event, before, after, wrong);
      auditRemaining(hold, after, wrong);
      byId.set(hold.id, after);
      const held = (heldByWallet.get(after.walletId) ?? 0n) + openUnits(after) - openUnits(before);
      heldByWallet.set(after.walletId, held);
    },
  };
}

/** The hold that an event places, captures or ends. */
export function holdOf({ kind }: WalletEvent): Hold | undefined {
  const ofHold =
    kind.case === "holdPlaced" || kind.case === "holdReleased" || kind.case === "transactionPosted";
  return ofHold ? kind.value.hold : undefined;
}

function trailOf(
  hold: Hold,
  { changes }: WalletEvent,
  position: bigint,
  wrong: Complain,
): HoldTrail {
  const change = changes.find(({ walletId }) => walletId === hold.walletId);
  if (change === undefined) wrong(`its wallet ${hold.walletId} does not change`);
  if (change && change.currency !== hold.currency) wrong(`it is in ${hold.currency}`);
  return {
    walletId: hold.walletId,
    currency: hold.currency,
    units: unitsOf(hold.amount) ?? -1n,
    capturedUnits: unitsOf(hold.captured) ?? -1n,
    status: hold.status,
    createTimeMs: hold.createTime ? timestampMs(hold.createTime) : -1,
    expireTimeMs: hold.expireTime ? timestampMs(hold.expireTime) : -1,
    walletVersion: change?.version ?? -1n,
    position,
  };
}

/** What may become of a hold by an event of each kind. */
function auditStep(
  event: WalletEvent,
  before: HoldTrail | undefined,
  after: HoldTrail,
  wrong: Complain,
): void {
  const atMs = event.occurredAt ? timestampMs(event.occurredAt) : 0;
  if (event.kind.case === "holdPlaced") {
    if (before !== undefined) wrong(`it was placed before, at position ${before.position}`);
    if (after.units <= 0n || after.capturedUnits !== 0n || after.status !== HoldStatus.OPEN) {
      wrong("it is not placed as a new one");
    }
    if (after.createTimeMs !== atMs) wrong("it was not placed when the event says");
    if (after.expireTimeMs <= atMs) wrong("it expires before it is placed");
    return;
  }
  if (before === undefined) {
    wrong("it was never placed");
    return;
  }
  if (before.status !== HoldStatus.OPEN) wrong(`it has ended at position ${before.position}`);
  for (const name of ["walletId", "currency", "units", "createTimeMs", "expireTimeMs"] as const) {
    if (after[name] !== before[name]) wrong(`its ${name} was ${before[name]}, now ${after[name]}`);
  }
  if (event.kind.case === "holdReleased") auditRelease(before, after, atMs, wrong);
  else auditCapture(event, before, after, wrong);
}

function auditRelease(before: HoldTrail, after: HoldTrail, atMs: number, wrong: Complain): void {
  if (after.capturedUnits !== before.capturedUnits) wrong("its release captures");
  const { status, expireTimeMs } = after;
  if (status !== HoldStatus.RELEASED && status !== HoldStatus.EXPIRED) {
    wrong(`it is ${HoldStatus[status]} after its release`);
  }
  if (status === HoldStatus.EXPIRED && atMs < expireTimeMs) wrong("it expired before its time");
}

function auditCapture(
  { legs, occurredAt }: WalletEvent,
  before: HoldTrail,
  after: HoldTrail,
  wrong: Complain,
): void {
  const paid = legs.reduce((sum, { amount }) => sum + (unitsOf(amount) ?? 0n), 0n);
  if (legs.some(({ from }) => walletOf(from) !== after.walletId)) {
    wrong("a capture pays out of another wallet");
  }
  const captured = before.capturedUnits + paid;
  if (after.capturedUnits !== captured) {
    wrong(`it says ${amountText(after.capturedUnits)} captured, legs ${amountText(captured)}`);
  }
  if (after.capturedUnits > after.units) wrong("more is captured than was set aside");
  const { status, expireTimeMs } = after;
  const stays = status === HoldStatus.OPEN && after.capturedUnits < after.units;
  if (!stays && status !== HoldStatus.CAPTURED) wrong(`it is ${HoldStatus[status]} at its capture`);
  if (occurredAt && timestampMs(occurredAt) >= expireTimeMs) wrong("it is captured after its time");
}

function auditRemaining({ remaining }: Hold, after: HoldTrail, wrong: Complain): void {
  const expected = amountText(openUnits(after));
  if (remaining !== expected) wrong(`${remaining} remains, not ${expected}`);
}

function openUnits(hold: HoldTrail | undefined): bigint {
  return hold?.status === HoldStatus.OPEN ? hold.units - hold.capturedUnits : 0n;
}
