import {
  type DecidedGroup,
  decideGroup,
  type Request,
  type Verdict,
} from "../src/command-group.ts";
import { type CommandItems, noItems } from "../src/command-inputs.ts";
import { holdIdOf, metadataWalletIdOf, reversedTransactionIdOf } from "../src/decide/decide.ts";
import type { GroupToCommit } from "../src/group-store.ts";
import { splitEvents } from "../src/journal-store.ts";
import { formatAmount } from "../src/money.ts";
import type { RecordedReversals } from "../src/reversal-store.ts";
import {
  itemsOfDecision,
  type RecordedHold,
  type RecordedWallet,
  readEvent,
  readPostedTransaction,
} from "../src/wallet-events.ts";
import type { RecordedMetadata } from "../src/wallet-settings-store.ts";
import type { Tables } from "./event-audit.ts";
import { testRules } from "./test-rules.ts";
import { told } from "./wallet-model.ts";

/** How many groups old the states are that a group is decided on first. */
export interface Lag {
  readonly wallets: number;
  readonly holds: number;
  readonly reversals: number;
  readonly metadata: number;
}

const noLag: Lag = { wallets: 0, holds: 0, reversals: 0, metadata: 0 };
const attemptsMax = 4;

/**
 * What Postgres and the engine are to groups, in maps: decides them on states that may be old,
 * compares at the commit, answers repeats.
 */
export class MemoryLedger {
  readonly wallets = new PastStates<RecordedWallet>();
  readonly holds = new PastStates<RecordedHold>();
  readonly reversals = new PastStates<RecordedReversals>();
  readonly #metadata = new PastStates<RecordedMetadata>();
  readonly events: Uint8Array[] = [];
  readonly #byTransaction = new Map<string, Uint8Array>();
  readonly #keys = new Map<string, { fingerprint: string; transactionId: string }>();
  readonly #references = new Map<string, string>();
  #group = 0;
  #segments = 0;

  /** Brings requests to their outcomes: the answers as `told` writes them, or reasons. */
  run(requests: readonly Request[], nowMs: number, lag: Lag = noLag): string[] {
    const outcomes = new Map<Request, string>();
    const used = new Map<string, string>();
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const left = requests.filter((request) => !outcomes.has(request));
      const decided = this.decide(left, nowMs, attempt === 0 ? lag : noLag, used);
      const result = this.#commit(decided);
      if (result === "keyTaken") for (const request of left) this.#repeat(request, outcomes);
      // Those that the group would use up and are used already.
      for (const { hash } of decided.toCommit.references) {
        const transactionId = this.#references.get(hash);
        if (result === "referenceTaken" && transactionId) used.set(hash, transactionId);
      }
      if (result !== "committed") continue;
      this.#group += 1;
      for (const [index, request] of left.entries()) {
        outcomes.set(request, outcomeOf(decided.verdicts[index]));
      }
      return requests.map((request) => outcomes.get(request) ?? "");
    }
    throw new Error("A group was not committed on the states that are current.");
  }

  /** Decides requests on the states as they were so many groups ago. */
  decide(
    requests: readonly Request[],
    nowMs: number,
    lag: Lag = noLag,
    usedReferences: ReadonlyMap<string, string> = new Map(),
  ): DecidedGroup {
    this.#segments += 1;
    const segmentId = `00000000-0000-7000-8000-${this.#segments.toString(16).padStart(8, "0")}0000`;
    return decideGroup(requests, {
      walletOf: (id) => this.wallets.get(id, this.#before(lag.wallets)),
      items: this.#itemsOf(requests, lag),
      usedReferences,
      rules: testRules,
      segmentId,
      nowMs,
    });
  }

  /** The last group whose states are known with such a lag. */
  #before(lag: number): number {
    return this.#group - 1 - lag;
  }

  /** The id of the transaction that an event records. */
  transactionIdOf(event: Uint8Array): string {
    return readEvent(event).transactionId;
  }

  /** Everything as it is now. */
  tables(): Tables {
    return {
      wallets: this.wallets.current().map(([id, { balance, held, version }]) => {
        return { id, balance: formatAmount(balance), held: formatAmount(held), version };
      }),
      holds: this.holds.current().map(([id, { captured, status }]) => {
        return { id, captured: formatAmount(captured), status };
      }),
      reversals: this.reversals.current().map(([id, { reversed }]) => {
        return { id, reversed: reversed.map(formatAmount) };
      }),
    };
  }

  #itemsOf(requests: readonly Request[], lag: Lag): CommandItems {
    const items = {
      holds: new Map<string, RecordedHold | undefined>(),
      transactions: new Map(noItems.transactions),
      reversals: new Map<string, RecordedReversals | undefined>(),
      metadata: new Map<string, RecordedMetadata | undefined>(),
    };
    for (const { command } of requests) {
      const holdId = holdIdOf(command);
      // Whoever names a hold has been told of it: it was there when it was read.
      if (holdId !== undefined) {
        const old = this.holds.get(holdId, this.#before(lag.holds));
        items.holds.set(holdId, old ?? this.holds.get(holdId));
      }
      const id = reversedTransactionIdOf(command);
      if (id !== undefined) {
        const bytes = this.#byTransaction.get(id);
        items.transactions.set(id, bytes && readPostedTransaction(bytes));
        items.reversals.set(id, this.reversals.get(id, this.#before(lag.reversals)));
      }
      const walletId = metadataWalletIdOf(command);
      if (walletId === undefined) continue;
      items.metadata.set(walletId, this.#metadata.get(walletId, this.#before(lag.metadata)));
    }
    return items;
  }

  /** As the commit call does it: compares first, then keys, then references, then writes. */
  #commit({
    toCommit,
    verdicts,
  }: DecidedGroup): "stale" | "keyTaken" | "referenceTaken" | "committed" {
    if (this.#isStale(toCommit)) return "stale";
    const keys = [...toCommit.refusedKeys, ...toCommit.keys.map(({ key }) => key)];
    if (keys.some((key) => this.#keys.has(key))) return "keyTaken";
    if (toCommit.references.some(({ hash }) => this.#references.has(hash))) return "referenceTaken";
    for (const { key, fingerprint, transactionId } of toCommit.keys) {
      this.#keys.set(key, { fingerprint: hexOf(fingerprint), transactionId });
    }
    for (const { hash, transactionId } of toCommit.references) {
      this.#references.set(hash, transactionId);
    }
    for (const wallet of [...toCommit.created, ...toCommit.changed]) {
      this.wallets.set(wallet.id, this.#group, wallet);
    }
    for (const hold of toCommit.holds) this.holds.set(hold.id, this.#group, hold);
    for (const { id, state } of toCommit.reversals) this.reversals.set(id, this.#group, state);
    for (const { id, state } of toCommit.metadata) this.#metadata.set(id, this.#group, state);
    this.events.push(...splitEvents(toCommit.events));
    for (const verdict of verdicts) {
      if (!("event" in verdict)) continue;
      this.#byTransaction.set(verdict.event.transactionId, verdict.event.bytes);
    }
    return "committed";
  }

  #isStale({ seen, seenHolds, seenReversals, seenMetadata }: GroupToCommit): boolean {
    return (
      seen.some(({ id, state }) => {
        const current = this.wallets.get(id);
        return current?.version !== state?.version || hexOf(current?.head) !== hexOf(state?.head);
      }) ||
      seenHolds.some((hold) => this.holds.get(hold.id)?.walletVersion !== hold.walletVersion) ||
      seenReversals.some(({ id, state }) => this.reversals.get(id)?.version !== state?.version) ||
      seenMetadata.some(
        ({ id, state }) => this.#metadata.get(id)?.walletVersion !== state?.walletVersion,
      )
    );
  }

  #repeat(request: Request, outcomes: Map<Request, string>): void {
    const first = request.requestKey && this.#keys.get(request.requestKey.key);
    if (first === undefined) return;
    const bytes = this.#byTransaction.get(first.transactionId);
    const same = first.fingerprint === hexOf(request.requestKey?.fingerprint);
    outcomes.set(request, bytes && same ? told(readEvent(bytes)) : "REQUEST_ID_REUSED");
  }
}

function outcomeOf(verdict: Verdict | undefined): string {
  if (verdict === undefined) throw new Error("A request has no verdict.");
  if ("refusal" in verdict) return verdict.refusal.reason;
  if ("reused" in verdict) return "REQUEST_ID_REUSED";
  const { event, decision } = verdict;
  return told({ ...event, items: itemsOfDecision(decision) });
}

function hexOf(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? "" : Buffer.from(bytes).toString("hex");
}

/** States and the groups that left them. */
export class PastStates<State> {
  readonly #states = new Map<string, { readonly group: number; readonly state: State }[]>();

  /** The state that was current at the end of a group; the current one without. */
  get(id: string, group = Number.POSITIVE_INFINITY): State | undefined {
    return this.#states.get(id)?.findLast((one) => one.group <= group)?.state;
  }

  set(id: string, group: number, state: State): void {
    const states = this.#states.get(id);
    if (states) states.push({ group, state });
    else this.#states.set(id, [{ group, state }]);
  }

  /** All current states. */
  current(): [string, State][] {
    return [...this.#states.keys()].flatMap((id) => {
      const state = this.get(id);
      return state === undefined ? [] : [[id, state] as const];
    });
  }
}
