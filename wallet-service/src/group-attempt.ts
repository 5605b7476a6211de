import { DatabaseUnavailable } from "@pelikuni/runtime/database-fault";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { type DecidedGroup, decideGroup, type GroupBasis, type Request } from "./command-group.ts";
import { type CommandInputs, mergeItems } from "./command-inputs.ts";
import type { Rules } from "./decide/command.ts";
import { walletIdsOf } from "./decide/decide.ts";
import { type CommitResult, commitGroup, commitLockedGroup, lockInputs } from "./group-store.ts";
import { newSegmentId } from "./transaction-id.ts";
import type { WalletCache } from "./wallet-cache.ts";
import type { RecordedWallet } from "./wallet-events.ts";

/** A group decided, and what became of it. */
export interface GroupAttempt {
  readonly decided: DecidedGroup;
  readonly result: CommitResult;
}

/** A request with what it was queued with. */
export interface QueuedRequest extends Request {
  readonly inputs: CommandInputs;
}

/** The transactions that used references up, by the references' hashes. */
export type UsedReferences = ReadonlyMap<string, string>;

/** Decides groups and tries to commit them. */
export interface GroupAttempts {
  /** On what this process knows: one call, which another replica's commit may spoil. */
  optimistically(
    group: readonly QueuedRequest[],
    used: UsedReferences,
    untilMs: number,
  ): Promise<GroupAttempt>;
  /** On what is locked first: two calls, and other replicas wait. */
  underLock(
    group: readonly QueuedRequest[],
    used: UsedReferences,
    untilMs: number,
  ): Promise<GroupAttempt>;
}

/** What attempts work with. */
export interface GroupAttemptParts {
  /** Has one connection, and no other user; the caller disposes it after the queue. */
  readonly committer: DatabaseClient;
  readonly cache: WalletCache;
  readonly rules: Rules;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Creates the attempts; `untilMs` of each is on the clock of `performance.now()`. */
export function createGroupAttempts(parts: GroupAttemptParts): GroupAttempts {
  const { committer, cache, rules } = parts;

  function decide(
    group: readonly QueuedRequest[],
    basis: Pick<GroupBasis, "walletOf" | "items" | "usedReferences">,
  ): DecidedGroup {
    return decideGroup(group, { ...basis, rules, segmentId: newSegmentId(), nowMs: parts.now() });
  }

  return {
    async optimistically(group, usedReferences, untilMs) {
      // Made only when asked for: most wallets are in the cache.
      let inputs: Map<string, RecordedWallet | undefined> | undefined;
      const walletOf = (walletId: string): RecordedWallet | undefined => {
        const cached = cache.get(walletId);
        if (cached !== undefined) return cached;
        inputs ??= new Map(group.flatMap((request) => [...request.inputs.wallets]));
        return inputs.get(walletId);
      };
      const decided = decide(group, { walletOf, items: itemsOf(group), usedReferences });
      const { toCommit } = decided;
      const result = await committer.call((sql) => commitGroup(sql, toCommit), left(untilMs));
      return { decided, result };
    },

    async underLock(group, usedReferences, untilMs) {
      const read = itemsOf(group);
      const walletIds = group.flatMap(({ command }) => walletIdsOf(command, read));
      const current = await committer
        .call((sql) => lockInputs(sql, [...new Set(walletIds)], read), left(untilMs))
        .catch(asBeforeExecution);
      const items = { ...current.items, transactions: read.transactions };
      const walletOf = (walletId: string): RecordedWallet | undefined =>
        current.wallets.get(walletId);
      const decided = decide(group, { walletOf, items, usedReferences });
      const { toCommit } = decided;
      const result = await committer.call((sql) => commitLockedGroup(sql, toCommit), left(untilMs));
      return { decided, result };
    },
  };
}

/** Of a call that changes nothing by itself: its group was not executed. */
export function asBeforeExecution(error: unknown): never {
  throw error instanceof DatabaseUnavailable ? error.beforeExecution() : error;
}

function itemsOf(group: readonly QueuedRequest[]): CommandInputs["items"] {
  return mergeItems(group.map(({ inputs }) => inputs.items));
}

function left(untilMs: number): number {
  return Math.max(1, untilMs - performance.now());
}
