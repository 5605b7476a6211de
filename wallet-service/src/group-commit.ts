import { setImmediate as nextTurn } from "node:timers/promises";
import { DatabaseUnavailable } from "@pelikuni/runtime/database-fault";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import type { Logger } from "pino";
import { findUsedReferences, possibleReferencesOf } from "./account-reference.ts";
import type { DecidedGroup, Request, Verdict } from "./command-group.ts";
import { type CommandInputs, type InputReaders, readInputs } from "./command-inputs.ts";
import {
  type Answer,
  CommandFault,
  type CommandOutcome,
  databaseUnavailable,
  internalFault,
} from "./command-outcome.ts";
import { createCommandQueue } from "./command-queue.ts";
import { estimateEventBytes } from "./event-size.ts";
import { asBeforeExecution, createGroupAttempts, type GroupAttemptParts } from "./group-attempt.ts";
import type { GroupToCommit } from "./group-store.ts";
import {
  type RepeatedRequests,
  requestIdReused,
  type WaitingRequest,
} from "./repeated-requests.ts";
import { itemsOfDecision } from "./wallet-events.ts";

/** Commits commands in groups: one group in flight, the next one gathers meanwhile. */
export interface GroupCommit extends AsyncDisposable {
  /**
   * Queues requests, all of them or none, in their order.
   *
   * @param expiresAtMs on the clock of `performance.now()`: a request not decided by then never runs
   * @param caller whose they are, since callers take turns; empty for the service's own, and where
   *   nobody has to say who he is
   * @returns an outcome each, in order; it rejects with a CommandFault
   * @throws CommandFault OVERLOADED when the queue has no room for all of them, or the caller has
   *   filled his share of it
   */
  submit(
    requests: readonly Request[],
    expiresAtMs: number,
    caller?: string,
  ): Promise<CommandOutcome>[];
}

/** The parts that group commit is made of. */
export interface GroupCommitParts extends GroupAttemptParts {
  readonly readers: InputReaders;
  /** For what was acted on before. */
  readonly pool: DatabaseClient;
  readonly repeated: RepeatedRequests;
  /** Called with the position of the last event of each group that was committed. */
  readonly onCommit: (position: bigint) => void;
  /** How many commands may wait for their outcome at once. */
  readonly queueLengthMax: number;
  /** How many commands of one caller a group holds while there are others. */
  readonly groupShareMax: number;
  readonly logger: Logger;
}

interface Waiting extends Request, WaitingRequest {
  readonly inputs: CommandInputs;
  readonly expiresAtMs: number;
}

const groupSize = { eventsMax: 4_096, bytesMax: 4 * 1024 * 1024 };
// Nobody fills the queue alone.
const queueSharePerCaller = 0.5;
const commitAttemptsMax = 5;
const lockedGroupsAfterLostRace = 8;
// A group that tries again must leave its callers time to hear of a failure within three seconds.
const groupTimeoutMs = 2_600;

/** Creates the queue; nothing runs until something is submitted. */
export function createGroupCommit(parts: GroupCommitParts): GroupCommit {
  const { committer, readers, pool, repeated, cache, logger } = parts;
  const attempts = createGroupAttempts(parts);
  const size = { ...groupSize, eventsPerCallerMax: parts.groupShareMax };
  const queue = createCommandQueue<Waiting>(size, (request) =>
    estimateEventBytes(request, request.inputs.items),
  );
  const callerMax = parts.queueLengthMax * queueSharePerCaller;
  const unansweredOf = new Map<string, number>();
  let unanswered = 0;
  let lockedGroupsLeft = 0;
  let running: Promise<void> | undefined;

  function submit(
    requests: readonly Request[],
    expiresAtMs: number,
    caller = "",
  ): Promise<CommandOutcome>[] {
    const { length: count } = requests;
    const own = unansweredOf.get(caller) ?? 0;
    if (unanswered + count > parts.queueLengthMax || (caller !== "" && own + count > callerMax)) {
      const message = `${unanswered} commands are waiting already; nothing was done.`;
      throw new CommandFault("OVERLOADED", message);
    }
    countUnanswered(caller, count);
    const waiting: (Request & WaitingRequest)[] = [];
    const outcomes = requests.map((request) => {
      const outcome = new Promise<CommandOutcome>((resolve, reject) => {
        waiting.push({ ...request, resolve, reject });
      });
      return outcome.finally(() => countUnanswered(caller, -1));
    });
    enqueue(waiting, expiresAtMs, caller);
    return outcomes;
  }

  function countUnanswered(caller: string, more: number): void {
    unanswered += more;
    if (caller === "") return;
    const own = (unansweredOf.get(caller) ?? 0) + more;
    if (own === 0) unansweredOf.delete(caller);
    else unansweredOf.set(caller, own);
  }

  /** Queues requests in their order, once the states that all of them need are there. */
  function enqueue(
    waiting: readonly (Request & WaitingRequest)[],
    expiresAtMs: number,
    caller: string,
  ): void {
    const push = (inputs: readonly CommandInputs[]): void => {
      const read = waiting.flatMap((request, index) => {
        const own = inputs[index];
        return own === undefined ? [] : [{ ...request, inputs: own, expiresAtMs }];
      });
      queue.push(caller, read, performance.now());
      running ??= run();
    };
    const inputs = readInputs(
      waiting.map(({ command }) => command),
      cache,
      readers,
    );
    if (inputs instanceof Promise) inputs.then(push, (error) => rejectUnread(waiting, error));
    else push(inputs);
  }

  function rejectUnread(waiting: readonly WaitingRequest[], error: unknown): void {
    const unavailable = error instanceof DatabaseUnavailable;
    if (!unavailable) logger.error({ error }, "What decides commands could not be read.");
    rejectAll(waiting, unavailable ? databaseUnavailable(error) : internalFault(error));
  }

  async function run(): Promise<void> {
    // A turn of the event loop lets the requests that have arrived gather.
    for (await nextTurn(); queue.length > 0; await nextTurn()) {
      const group = takeGroup();
      if (group.length === 0) continue;
      const locked = lockedGroupsLeft > 0;
      if (locked) lockedGroupsLeft -= 1;
      await commit(group, locked, performance.now() + groupTimeoutMs);
    }
    running = undefined;
  }

  function takeGroup(): Waiting[] {
    const nowMs = performance.now();
    const taken = queue.takeGroup(nowMs);
    const inTime = taken.filter(({ expiresAtMs }) => expiresAtMs > nowMs);
    for (const late of taken.filter(({ expiresAtMs }) => expiresAtMs <= nowMs)) {
      const message = "The deadline passed before the command was decided; nothing was done.";
      late.reject(new CommandFault("DEADLINE_EXCEEDED", message));
    }
    return inTime;
  }

  /** Brings every request of the group to its outcome; never throws. */
  async function commit(group: Waiting[], locked: boolean, untilMs: number): Promise<void> {
    try {
      await commitUnlessTaken(group, locked, untilMs);
    } catch (error) {
      if (error instanceof DatabaseUnavailable) return giveUp(group, error);
      // Nothing was written; what may be left of a transaction goes with its connection.
      committer.reset();
      logger.error({ error, requests: group.length, locked }, "A group failed.");
      if (!locked) return await commit(group, true, untilMs);
      if (group.length === 1) {
        return rejectAll(group, internalFault(error));
      }
      // The halves apart: in the end only the request that fails alone fails.
      const middle = group.length >> 1;
      const halfUntilMs = performance.now() + groupTimeoutMs;
      await commit(group.slice(0, middle), true, halfUntilMs);
      await commit(group.slice(middle), true, halfUntilMs);
    }
  }

  async function commitUnlessTaken(
    group: readonly Waiting[],
    startLocked: boolean,
    untilMs: number,
  ): Promise<void> {
    let left = group;
    let locked = startLocked;
    const used = new Map<string, string>();
    for (let attempt = 1; attempt <= commitAttemptsMax && left.length > 0; attempt += 1) {
      const { decided, result } = locked
        ? await attempts.underLock(left, used, untilMs)
        : await attempts.optimistically(left, used, untilMs);
      if (result.outcome === "committed") return answer(left, decided, result.firstPosition);
      if (result.outcome === "keyTaken") {
        logger.debug({ requests: left.length, locked }, "A group met taken request keys.");
        left = await repeated.answer(left).catch(asBeforeExecution);
      } else if (result.outcome === "referenceTaken") {
        logger.debug({ requests: left.length, locked }, "A group met used references.");
        // A reference stays used: who names it is refused by the next decision.
        const found = await usedReferencesOf(left).catch(asBeforeExecution);
        for (const [hash, transactionId] of found) used.set(hash, transactionId);
      } else {
        logger.debug({ requests: left.length, locked }, "A group lost a race.");
        // Another replica was faster. Under lock the group cannot lose, nor can its successors.
        locked = true;
        lockedGroupsLeft = lockedGroupsAfterLostRace;
      }
    }
    const message = `No commit in ${commitAttemptsMax} attempts; nothing was done.`;
    rejectAll(left, new CommandFault("DATABASE_UNAVAILABLE", message));
  }

  /** Of all that wait: what this decision refused for another reason may be accepted next time. */
  function usedReferencesOf(group: readonly Waiting[]): Promise<Map<string, string>> {
    const hashes = group.flatMap((request) => possibleReferencesOf(request, request.inputs.items));
    return pool.read((sql) => findUsedReferences(sql, hashes));
  }

  function answer(group: readonly Waiting[], decided: DecidedGroup, firstPosition: bigint): void {
    confirm(decided.toCommit);
    const { eventCount } = decided.toCommit;
    if (eventCount > 0) parts.onCommit(firstPosition + BigInt(eventCount) - 1n);
    for (const [index, verdict] of decided.verdicts.entries()) {
      const waiting = group[index];
      if ("refusal" in verdict) waiting?.resolve(verdict);
      else if ("reused" in verdict) waiting?.resolve(requestIdReused);
      else {
        const position = firstPosition + BigInt(verdict.index);
        waiting?.resolve({ answer: answerOf(verdict, position) });
      }
    }
  }

  /** A commit proves what it compared as well as what it wrote. */
  function confirm({ seen, created, changed }: GroupToCommit): void {
    for (const { state } of seen) if (state) cache.keep(state);
    for (const wallet of created) cache.keep(wallet);
    for (const wallet of changed) cache.keep(wallet);
  }

  function giveUp(group: readonly Waiting[], error: DatabaseUnavailable): void {
    if (error.maybeExecuted) {
      // What the cache says may be outdated by the very group that got lost.
      cache.clear();
      const message = "The answer of the commit was lost; repeat with the same request_id.";
      rejectAll(group, new CommandFault("OUTCOME_UNKNOWN", message, error));
    } else rejectAll(group, databaseUnavailable(error));
    // Who waits behind a database that is away would only learn the same, later.
    if (error.away) {
      rejectAll(queue.takeAll(), databaseUnavailable(error));
    }
  }

  return {
    submit,
    async [Symbol.asyncDispose]() {
      await running;
    },
  };
}

function answerOf(
  { event, decision }: Extract<Verdict, { event: unknown }>,
  position: bigint,
): Answer {
  const { transactionId, occurredAtMs, wallets } = event;
  return { transactionId, position, occurredAtMs, wallets, items: itemsOfDecision(decision) };
}

function rejectAll(group: readonly WaitingRequest[], fault: CommandFault): void {
  for (const { reject } of group) reject(fault);
}
