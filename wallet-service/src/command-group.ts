import { joinEvents } from "./journal-store.ts";
import type { RequestKey } from "./request-key.ts";
import { transactionIdAt } from "./transaction-id.ts";
import { type Command, decide, type Refusal, walletIdsOf } from "./wallet.ts";
import { type RecordedEvent, type RecordedWallet, recordEvent } from "./wallet-events.ts";
import type { GroupToCommit, SeenWallet } from "./wallet-store.ts";

/** A command as its caller sent it. */
export interface Request {
  readonly command: Command;
  /** The caller's idempotency key; empty for none. */
  readonly requestId: string;
  /** Present when the request_id is. */
  readonly requestKey: RequestKey | undefined;
}

/** What one request of a group comes to once the group is committed. */
export type Verdict =
  | { readonly event: RecordedEvent; readonly index: number }
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
  readonly stateOf: (walletId: string) => RecordedWallet | undefined;
  readonly segmentId: string;
  readonly nowMs: number;
}

/**
 * Decides requests in order, each on the states that the earlier ones left. Pure.
 *
 * Every wallet that any request looked at is compared at the commit, those of refused requests too:
 * a refusal on a stale state would deny money that has arrived. The first accepted request owns its
 * key: a later one with equal input gets its answer, one with other input is refused.
 */
export function decideGroup(requests: readonly Request[], basis: GroupBasis): DecidedGroup {
  const seen = new Map<string, RecordedWallet | undefined>();
  const after = new Map<string, RecordedWallet>();
  const owners = new Map<string, { fingerprint: Uint8Array; verdict: Verdict }>();
  const events: RecordedEvent[] = [];
  const refusedKeys = new Set<string>();

  const look = (walletId: string): RecordedWallet | undefined => {
    const left = after.get(walletId);
    if (left !== undefined) return left;
    if (!seen.has(walletId)) seen.set(walletId, basis.stateOf(walletId));
    return seen.get(walletId);
  };

  const verdictOf = ({ command, requestId, requestKey }: Request): Verdict => {
    const owner = requestKey && owners.get(requestKey.key);
    if (requestKey && owner) {
      const sameInput = Buffer.compare(owner.fingerprint, requestKey.fingerprint) === 0;
      return sameInput ? owner.verdict : { reused: requestKey };
    }
    for (const walletId of walletIdsOf(command)) look(walletId);
    const outcome = decide(look, command, basis.nowMs);
    if ("refusal" in outcome) {
      if (requestKey) refusedKeys.add(requestKey.key);
      return outcome;
    }
    const index = events.length;
    const transactionId = transactionIdAt(basis.segmentId, index);
    const event = recordEvent(outcome.decision, transactionId, requestId, (walletId) =>
      headOf(look(walletId)),
    );
    events.push(event);
    for (const wallet of event.wallets) after.set(wallet.id, wallet);
    const verdict = { event, index };
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
  return {
    verdicts,
    toCommit: {
      ...changesOf(seen, after),
      keys,
      refusedKeys: [...refusedKeys],
      segmentId: basis.segmentId,
      eventCount: events.length,
      events: joinEvents(events.map((event) => event.bytes)),
      eventHashes: Buffer.concat(events.map((event) => event.head)),
    },
  };
}

function changesOf(
  seen: ReadonlyMap<string, RecordedWallet | undefined>,
  after: ReadonlyMap<string, RecordedWallet>,
): Pick<GroupToCommit, "seen" | "created" | "changed"> {
  const created: RecordedWallet[] = [];
  const changed: RecordedWallet[] = [];
  for (const wallet of after.values()) {
    if (seen.get(wallet.id) === undefined) created.push(wallet);
    if (wallet.version > 0n) changed.push(wallet);
  }
  const seenList: SeenWallet[] = [...seen].map(([id, state]) => ({ id, state }));
  return { seen: seenList, created, changed };
}

function headOf(wallet: RecordedWallet | undefined): Uint8Array {
  if (wallet === undefined) throw new Error("A decision changed a wallet that was not looked at.");
  return wallet.head;
}
