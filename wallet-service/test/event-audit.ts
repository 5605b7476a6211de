import { hash } from "node:crypto";
import { fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Leg,
  type WalletChange,
  type WalletEvent,
  WalletEventSchema,
} from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { type Hold, HoldStatus, WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { isPrecise } from "./model-movement.ts";
import { unitsOf, written } from "./model-units.ts";

interface AuditedWallet {
  readonly currency: string;
  readonly units: bigint;
  readonly held: bigint;
  readonly status: WalletStatus;
  readonly version: bigint;
  readonly head: string;
  readonly atMs: number;
}

interface AuditedTransaction {
  readonly legs: readonly Leg[];
  readonly isReversal: boolean;
  readonly reversed: bigint[];
}

/** What tables say, to be compared with what events say; amounts as the contract writes them. */
export interface Tables {
  readonly wallets: readonly { id: string; balance: string; held: string; version: bigint }[];
  readonly holds: readonly { id: string; captured: string; status: string }[];
  /** What was taken back of each leg. */
  readonly reversals: readonly { id: string; reversed: readonly string[] }[];
}

/**
 * Holds events against the six invariants of the operations, in the order of the journal. It knows
 * nothing but the events, and throws with a sentence where one breaks a rule.
 */
export class EventAudit {
  readonly #wallets = new Map<string, AuditedWallet>();
  readonly #rebuilt = new Map<string, bigint>();
  readonly #holds = new Map<string, Hold>();
  readonly #holdsOf = new Map<string, Set<string>>();
  readonly #transactions = new Map<string, AuditedTransaction>();
  /** Of each currency: all wallets and all accounts outside, together. */
  readonly #sums = new Map<string, bigint>();

  /** Takes the next event. */
  take(bytes: Uint8Array): void {
    const event = fromBinary(WalletEventSchema, bytes);
    const ids = new Set(event.changes.map(({ walletId }) => walletId));
    must(ids.size === event.changes.length, "a wallet changes at most once in an event");
    this.#takeHold(event);
    this.#takeReversal(event);
    const head = hash("sha256", bytes, "hex");
    for (const change of event.changes) this.#takeChange(change, event, head);
    for (const leg of event.legs) this.#takeLeg(leg, ids);
    for (const [currency, sum] of this.#sums) must(sum === 0n, `all ${currency} add up to zero`);
    for (const { walletId, balance, held } of event.changes) {
      const same = this.#rebuilt.get(walletId) === unitsOf(balance);
      must(same, "the legs alone make the balance");
      must(this.#openHolds(walletId) === unitsOf(held), "held is what open holds have remaining");
    }
    const isReversal = reversalOf(event) !== undefined;
    const reversed = event.legs.map(() => 0n);
    this.#transactions.set(event.transactionId, { legs: event.legs, isReversal, reversed });
  }

  /** Compares with tables that were read right after the last event taken. */
  compare({ wallets, holds, reversals }: Tables): void {
    must(wallets.length === this.#wallets.size, "there are as many wallets as events created");
    for (const { id, balance, held, version } of wallets) {
      const seen = this.#wallets.get(id);
      const same =
        seen?.units === unitsOf(balance) &&
        seen.held === unitsOf(held) &&
        seen.version === version &&
        seen.units === this.#rebuilt.get(id);
      must(same, `wallet ${id} is what its events make it`);
    }
    must(holds.length === this.#holds.size, "there are as many holds as events placed");
    for (const { id, captured, status } of holds) {
      const seen = this.#holds.get(id);
      const same = seen?.captured === captured && HoldStatus[seen.status] === status;
      must(same, `hold ${id} is what its events make it`);
    }
    const taken = [...this.#transactions].filter(([, { reversed }]) => reversed.some(Boolean));
    must(taken.length === reversals.length, "there is a row for each transaction reversed");
    for (const { id, reversed } of reversals) {
      const said = this.#transactions.get(id)?.reversed.map(written);
      must(said?.join() === reversed.join(), `of ${id} is reversed what its events say`);
    }
  }

  #takeChange(change: WalletChange, event: WalletEvent, head: string): void {
    const { walletId, currency, version, status } = change;
    const before = this.#wallets.get(walletId);
    const units = unitsOf(change.balance);
    const held = unitsOf(change.held);
    const atMs = event.occurredAt ? timestampMs(event.occurredAt) : 0;
    const about = `wallet ${walletId}, version ${version}`;
    must(version === (before === undefined ? 0n : before.version + 1n), `${about}: one more`);
    const previous = Buffer.from(change.previousHead).toString("hex");
    must(previous === (before?.head ?? ""), `${about}: chained to the event before`);
    must(before?.status !== WalletStatus.CLOSED, `${about}: nothing after closing`);
    must(currency === (before?.currency ?? currency), `${about}: one currency for good`);
    must(atMs >= (before?.atMs ?? 0), `${about}: time never runs back`);
    must(0n <= held && held <= units, `${about}: 0 ≤ held ≤ balance`);
    const isEmpty = units === 0n && held === 0n;
    must(status !== WalletStatus.CLOSED || isEmpty, `${about}: closed and empty`);
    const moved = unitsOf(change.amount);
    must(units - (before?.units ?? 0n) === moved, `${about}: the amount is the difference`);
    must(isPrecise(units, currency) && isPrecise(held, currency), `${about}: smallest units`);
    this.#add(currency, moved);
    this.#rebuilt.set(walletId, this.#rebuilt.get(walletId) ?? 0n);
    this.#wallets.set(walletId, { currency, units, held, status, version, head, atMs });
  }

  #takeLeg({ from, to, amount, currency }: Leg, touched: ReadonlySet<string>): void {
    const units = unitsOf(amount);
    must(units > 0n && isPrecise(units, currency), `a leg of ${amount} ${currency} is an amount`);
    let walletSides = 0;
    for (const [side, moved] of [[from?.side, -units] as const, [to?.side, units] as const]) {
      if (side?.case === "account") this.#add(currency, moved);
      if (side?.case !== "walletId") continue;
      walletSides += 1;
      must(touched.has(side.value), "who stands in a leg changes");
      must(this.#wallets.get(side.value)?.currency === currency, "a leg has its wallets' currency");
      this.#rebuilt.set(side.value, (this.#rebuilt.get(side.value) ?? 0n) + moved);
    }
    must(walletSides > 0, "a leg has a wallet");
  }

  #takeHold({ kind, changes }: WalletEvent): void {
    const has =
      kind.case === "holdPlaced" ||
      kind.case === "holdReleased" ||
      kind.case === "transactionPosted";
    const hold = has ? kind.value.hold : undefined;
    if (hold === undefined) return;
    const before = this.#holds.get(hold.id);
    const captured = unitsOf(hold.captured);
    const about = `hold ${hold.id}`;
    if (kind.case === "holdPlaced") must(before === undefined, `${about} is placed once`);
    else must(before?.status === HoldStatus.OPEN, `${about} ends once`);
    must(captured >= unitsOf(before?.captured ?? "0.0000"), `${about}: captured only grows`);
    must(captured <= unitsOf(hold.amount), `${about}: captured ≤ amount`);
    must(hold.amount === (before?.amount ?? hold.amount), `${about}: one amount for good`);
    const moves = changes.some(({ walletId }) => walletId === hold.walletId);
    must(moves, `${about} changes with its wallet`);
    this.#holds.set(hold.id, hold);
    const ofWallet = this.#holdsOf.get(hold.walletId) ?? new Set();
    this.#holdsOf.set(hold.walletId, ofWallet.add(hold.id));
  }

  #takeReversal(event: WalletEvent): void {
    const reversal = reversalOf(event);
    if (reversal === undefined) return;
    const original = this.#transactions.get(reversal.transactionId);
    if (original === undefined) throw new Error("A reversal names a transaction that happened.");
    must(!original.isReversal, "a reversal is not reversed");
    for (const { index, amount } of reversal.legs) {
      const reversed = (original.reversed[index] ?? 0n) + unitsOf(amount);
      const most = unitsOf(original.legs[index]?.amount ?? "0.0000");
      must(reversed <= most, `of leg ${index} at most its amount is reversed`);
      original.reversed[index] = reversed;
    }
  }

  #openHolds(walletId: string): bigint {
    let held = 0n;
    for (const id of this.#holdsOf.get(walletId) ?? []) {
      const hold = this.#holds.get(id);
      if (hold?.status !== HoldStatus.OPEN) continue;
      held += unitsOf(hold.amount) - unitsOf(hold.captured);
    }
    return held;
  }

  #add(currency: string, units: bigint): void {
    this.#sums.set(currency, (this.#sums.get(currency) ?? 0n) + units);
  }
}

function reversalOf({
  kind,
}: WalletEvent):
  | { transactionId: string; legs: readonly { index: number; amount: string }[] }
  | undefined {
  return kind.case === "transactionPosted" ? kind.value.reversal : undefined;
}

function must(holds: boolean, rule: string): void {
  if (!holds) throw new Error(`Broken: ${rule}.`);
}
