import {
  Code,
  type ConnectError,
  type Interceptor,
  type StreamResponse,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import type { Logger } from "../logger.ts";
import { createRecentCallers } from "../recent-callers.ts";
import { rpcError } from "../rpc-errors.ts";
import { createTurns, type Turns } from "../turns.ts";
import type { CallCost } from "./call-cost.ts";
import { type Caller, callerOf, principalOf } from "./caller.ts";
import { callerTurnKey } from "./caller-turn.ts";

/** How much one caller may ask of one server; the open caller has no limits. */
export interface CallerLimits {
  readonly callerCallsPerSecond: number;
  /** How many calls he may make at once after a time without any. */
  readonly callerBurst: number;
  /** Unary calls that have begun and not ended. */
  readonly callerRequestsInFlightMax: number;
  /** Answer streams that are open. */
  readonly callerStreamsMax: number;
}

/** Keeps each caller to his limits, whatever others do. */
export interface CallerLimiter {
  /**
   * Counts one call of a caller, before its message is taken: what is refused costs next to nothing.
   *
   * @throws ConnectError RESOURCE_EXHAUSTED, which is logged
   */
  admit(caller: Caller): void;
  /** Does so for calls that come through no port. */
  readonly admission: Interceptor;
  /** Counts what else an admitted call counts as, and lets it begin in its turn. */
  readonly interceptor: Interceptor;
}

/** The reason of a refusal because the caller asks for more than he may; nothing was done. */
export const rateLimitedReason = "RATE_LIMITED";

/** How many calls the opening of a stream counts as. */
const streamCost = 10;
// Four calls with the limit by default. As long as a call takes no more than this, a caller's calls a
// second are what limits him, and not his share.
const shareMs = 4;
/**
 * Of a caller's calls that count as more than one, as many are at work at once as he may make in
 * this time: a few pages, or one batch.
 */
const heavyAtWorkMs = 64;
// About 300 bytes each. Whoever is pushed out comes back as if he had not called for a while.
const callersKeptMax = 10_000;
const inFlightRetryDelayMs = 250;
const streamRetryDelayMs = 1_000;
const logIntervalMs = 1_000;

/**
 * How many calls of one caller are at work at once while there are others. The rest waits in his own
 * line, so that a call of somebody else stands behind a few of his, and not behind hundreds.
 */
function callerShare({ callerCallsPerSecond }: CallerLimits): number {
  return Math.ceil((callerCallsPerSecond * shareMs) / 1_000);
}

/** What is known of one caller. */
interface Usage {
  /** Calls that he may make now; below zero when the last one counted as many. */
  allowed: number;
  allowedAtMs: number;
  requests: number;
  readonly turns: Turns;
  /** Of the calls that count as more than one. */
  readonly heavyTurns: Turns;
  streams: number;
  refusedSinceLog: number;
  loggedAtMs: number;
}

/**
 * Creates it with every caller's allowance full; those who have not said who they are have no
 * limits here. A call that is allowed may count as more than is left, which the next ones wait for:
 * the largest batch is possible with the smallest burst.
 *
 * @param nowMs on the clock of `performance.now()`
 */
export function createCallerLimiter(
  limits: CallerLimits,
  costOf: CallCost,
  logger: Logger,
  nowMs: () => number = () => performance.now(),
): CallerLimiter {
  const usages = new Map<string, Usage>();
  const recent = createRecentCallers();

  function usageOf(principal: string): Usage {
    const known = usages.get(principal);
    // The last one is the one that called last.
    if (known !== undefined) usages.delete(principal);
    else if (usages.size >= callersKeptMax) forgetOldest();
    const usage = known ?? newUsage(principal);
    usages.set(principal, usage);
    return usage;
  }

  /** What is open counts as long as it is open. */
  function forgetOldest(): void {
    for (const [principal, { requests, streams }] of usages) {
      if (requests > 0 || streams > 0) continue;
      usages.delete(principal);
      return;
    }
  }

  function newUsage(principal: string): Usage {
    const { callerBurst, callerCallsPerSecond: perSecond } = limits;
    const isAlone = (): boolean => !recent.hasOthersThan(principal, nowMs());
    return {
      requests: 0,
      streams: 0,
      refusedSinceLog: 0,
      turns: createTurns(() => (isAlone() ? Number.POSITIVE_INFINITY : callerShare(limits))),
      heavyTurns: createTurns(() => (perSecond * heavyAtWorkMs) / 1_000),
      allowed: callerBurst,
      allowedAtMs: nowMs(),
      loggedAtMs: Number.NEGATIVE_INFINITY,
    };
  }

  function refuse(caller: Caller, usage: Usage, refusal: ConnectError): never {
    usage.refusedSinceLog += 1;
    const atMs = nowMs();
    if (atMs >= usage.loggedAtMs + logIntervalMs) {
      const { issuer, subject, client } = caller;
      const { refusedSinceLog: calls } = usage;
      const why = refusal.rawMessage;
      logger.warn({ issuer, subject, client, calls, why }, "Calls were refused: too many");
      usage.loggedAtMs = atMs;
      usage.refusedSinceLog = 0;
    }
    throw refusal;
  }

  function admit(caller: Caller): void {
    const principal = principalOf(caller);
    if (principal === "") return;
    const usage = usageOf(principal);
    const refused = rateRefusal(usage, limits, nowMs(), 1);
    if (refused !== undefined) refuse(caller, usage, refused);
    usage.allowed -= 1;
  }

  async function callInTurn(
    usage: Usage,
    request: UnaryRequest,
    next: ReturnType<Interceptor>,
  ): Promise<UnaryResponse | StreamResponse> {
    const cost = costOf(request.method, request.message);
    const turns = cost > 1 ? usage.heavyTurns : usage.turns;
    usage.allowed -= cost - 1;
    usage.requests += 1;
    try {
      return await turns.run(cost, (turn) => {
        // Nobody waits for the answer of a call that was given up meanwhile.
        request.signal.throwIfAborted();
        request.contextValues.set(callerTurnKey, turn);
        return next(request);
      });
    } finally {
      usage.requests -= 1;
    }
  }

  const interceptor: Interceptor = (next) => async (request) => {
    const caller = callerOf({ values: request.contextValues });
    const principal = principalOf(caller);
    if (principal === "") return await next(request);
    // He was admitted a moment ago.
    const usage = usages.get(principal) ?? usageOf(principal);
    const atMs = nowMs();
    recent.note(principal, atMs);
    const tooMany = request.stream ? streamRefusal(usage, limits) : requestRefusal(usage, limits);
    // One that was admitted before, such as a batch, may have counted as all that was left.
    const refused = tooMany ?? rateRefusal(usage, limits, atMs, 0);
    if (refused !== undefined) refuse(caller, usage, refused);
    if (!request.stream) return await callInTurn(usage, request, next);
    usage.allowed -= streamCost - 1;
    usage.streams += 1;
    const { signal } = request;
    // It is aborted however the stream ends.
    const release = (): void => {
      usage.streams -= 1;
    };
    if (signal.aborted) release();
    else signal.addEventListener("abort", release, { once: true });
    return await next(request);
  };

  const admission: Interceptor = (next) => async (request) => {
    admit(callerOf({ values: request.contextValues }));
    return await next(request);
  };

  return { admit, admission, interceptor };
}

/** @param needed how many calls he must have left */
function rateRefusal(
  usage: Usage,
  { callerCallsPerSecond: perSecond, callerBurst }: CallerLimits,
  nowMs: number,
  needed: number,
): ConnectError | undefined {
  const more = ((nowMs - usage.allowedAtMs) * perSecond) / 1_000;
  usage.allowed = Math.min(callerBurst, usage.allowed + more);
  usage.allowedAtMs = nowMs;
  if (usage.allowed >= needed) return undefined;
  const waitMs = Math.ceil(((1 - usage.allowed) / perSecond) * 1_000);
  return limited(`Too many calls: at most ${perSecond} a second`, "calls_per_second", waitMs);
}

function requestRefusal(
  { requests }: Usage,
  { callerRequestsInFlightMax: most }: CallerLimits,
): ConnectError | undefined {
  if (requests < most) return undefined;
  return limited(
    `Too many calls at once: at most ${most}`,
    "requests_in_flight_max",
    inFlightRetryDelayMs,
  );
}

function streamRefusal(
  { streams }: Usage,
  { callerStreamsMax: most }: CallerLimits,
): ConnectError | undefined {
  if (streams < most) return undefined;
  return limited(`Too many open streams: at most ${most}`, "streams_max", streamRetryDelayMs);
}

/** Nothing was done, so that everything may be repeated, with a request_id or without. */
function limited(why: string, setting: string, retryDelayMs: number): ConnectError {
  const operator = `the operator sets limits.caller_${setting}`;
  const message = `${why} (${operator}); nothing was done, call again later`;
  return rpcError({
    code: Code.ResourceExhausted,
    reason: rateLimitedReason,
    message,
    retryDelayMs,
  });
}
