import type { CommandItems } from "./command-inputs.ts";
import type { Command, Rules } from "./decide/command.ts";
import { decide } from "./decide/decide.ts";
import { createGroupStates, type GroupStates } from "./group-states.ts";
import type { GroupToCommit } from "./group-store.ts";
import { joinEvents } from "./journal-store.ts";
import type { RequestKey } from "./request-key.ts";
import { transactionIdAt } from "./transaction-id.ts";
import type { Actor, Decision, Details, Outcome, Refusal } from "./wallet.ts";
import { type RecordedEvent, type RecordedWallet, recordEvent } from "./wallet-events.ts";

/** A command as its caller sent it. */
export interface Request {
  readonly command: Command;
  /** What the caller wants remembered, if anything. */
  readonly details?: Details | undefined;
  /** Who asks for it; undefined when nobody has said who he is, or the service does it by itself. */
  readonly actor?: Actor | undefined;
  /** The caller's idempotency key; empty for none. */
  readonly requestId: string;
  /** Present when the request_id is. */
  readonly requestKey?: RequestKey | undefined;
}

/** What one request of a group comes to once the group is committed. */
export type Verdict =
  | { readonly event: RecordedEvent; readonly decision: Decision; readonly index: number }
  | { readonly refusal: Refusal }
  /** The group's own accepted request with this key has other input. */
  | { readonly reused: RequestKey };

/** A group decided on given states. */
export interface DecidedGroup {
  /** In the order of the requests. */
  readonly verdicts: readonly Verdict[];
  readonly toCommit: GroupToCommit;
}

/** What a group is decided on. */
export interface GroupBasis {
  /** The state of a wallet before the group, as far as this process knows. */
  readonly walletOf: (walletId: string) => RecordedWallet | undefined;
  readonly items: CommandItems;
  /** The transactions that used references up, as far as they have been looked up. */
  readonly usedReferences: ReadonlyMap<string, string>;
  readonly rules: Rules;
  readonly segmentId: string;
  readonly nowMs: number;
}

/**
 * Decides requests in order, each on the states that the earlier ones left. Pure.
 *
 * Everything that any request looked at is compared at the commit, what refused requests looked at
 * too: a refusal on a stale state would deny money that has arrived. The first accepted request owns
 * its key: a later one with equal input gets its answer, one with other input is refused.
 */
export function decideGroup(requests: readonly Request[], basis: GroupBasis): DecidedGroup {
  const { rules, segmentId, nowMs } = basis;
  const states = createGroupStates(basis.walletOf, basis.items, basis.usedReferences);
  const decisionBasis = { ...states.basis, rules, nowMs };
  const owners = new Map<string, { fingerprint: Uint8Array; verdict: Verdict }>();
  const events: RecordedEvent[] = [];
  const refusedKeys = new Set<string>();

  const decideOne = ({ command, details }: Request): Outcome => {
    const outcome = decide(decisionBasis, command);
    if ("refusal" in outcome) return outcome;
    const transactionId = states.usedReference(outcome.decision, details);
    if (transactionId === undefined) return outcome;
    return { refusal: { reason: "REFERENCE_ALREADY_USED", transactionId } };
  };

  const verdictOf = (request: Request): Verdict => {
    const { details, actor, requestId, requestKey } = request;
    const owner = requestKey && owners.get(requestKey.key);
    if (requestKey && owner) {
      const sameInput = Buffer.compare(owner.fingerprint, requestKey.fingerprint) === 0;
      return sameInput ? owner.verdict : { reused: requestKey };
    }
    const outcome = decideOne(request);
    if ("refusal" in outcome) {
      if (requestKey) refusedKeys.add(requestKey.key);
      return outcome;
    }
    const { decision } = outcome;
    const index = events.length;
    const transactionId = transactionIdAt(segmentId, index);
    const notes = { requestId, details, actor };
    const event = recordEvent(decision, transactionId, notes, states.headOf);
    events.push(event);
    states.apply(decision, event, details);
    const verdict = { event, decision, index };
    if (requestKey) owners.set(requestKey.key, { fingerprint: requestKey.fingerprint, verdict });
    return verdict;
  };

  const verdicts = requests.map(verdictOf);
  const keys: GroupToCommit["keys"][number][] = [];
  for (const [key, { fingerprint, verdict }] of owners) {
    refusedKeys.delete(key);
    if ("event" in verdict) {
      keys.push({ key, fingerprint, transactionId: verdict.event.transactionId });
    }
  }
  const journal = { segmentId, eventCount: events.length, ...joined(events) };
  const toCommit = { ...changesOf(states), keys, refusedKeys: [...refusedKeys], ...journal };
  return { verdicts, toCommit };
}

function joined(events: readonly RecordedEvent[]): Pick<GroupToCommit, "events" | "eventHashes"> {
  return {
    events: joinEvents(events.map((event) => event.bytes)),
    eventHashes: Buffer.concat(events.map((event) => event.head)),
  };
}

function changesOf({
  wallets,
  holds,
  reversals,
  metadata,
  references,
}: GroupStates): Omit<
  GroupToCommit,
  "keys" | "refusedKeys" | "segmentId" | "eventCount" | "events" | "eventHashes"
> {
  const created: RecordedWallet[] = [];
  const changed: RecordedWallet[] = [];
  for (const wallet of wallets.after.values()) {
    if (wallets.seen.get(wallet.id) === undefined) created.push(wallet);
    if (wallet.version > 0n) changed.push(wallet);
  }
  return {
    seen: statesOf(wallets.seen),
    created,
    changed,
    // A hold that was not there: whoever placed it since has told nobody its id before.
    seenHolds: [...holds.seen.values()].filter((hold) => hold !== undefined),
    holds: [...holds.after.values()],
    seenReversals: statesOf(reversals.seen),
    reversals: statesOf(reversals.after),
    seenMetadata: statesOf(metadata.seen),
    metadata: statesOf(metadata.after),
    references: [...references].map(([hash, transactionId]) => ({ hash, transactionId })),
  };
}

function statesOf<State>(states: ReadonlyMap<string, State>): { id: string; state: State }[] {
  return [...states].map(([id, state]) => ({ id, state }));
}
