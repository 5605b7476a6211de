import {
  Code,
  type ConnectError,
  type Interceptor,
  type StreamResponse,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import type { Logger } from "../logger.ts";
import { rpcError } from "../rpc-errors.ts";
import { createTurns, type Turns } from "../turns.ts";
import type { CallCost } from "./call-cost.ts";
import { type Caller, callerOf, principalOf } from "./caller.ts";

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

/** The reason of a refusal because the caller asks for more than he may; nothing was done. */
export const rateLimitedReason = "RATE_LIMITED";

/** How many calls the opening of a stream counts as. */
const streamCost = 10;
/**
 * Of a caller's calls that count as more than one, as many are at work at once as he may make in
 * this time: a few pages, or one batch. The others wait, so that other callers need not.
 */
const heavyAtWorkMs = 64;
// About 300 bytes each. Whoever is pushed out comes back as if he had not called for a while.
const callersKeptMax = 10_000;
const inFlightRetryDelayMs = 250;
const streamRetryDelayMs = 1_000;
const logIntervalMs = 1_000;

/** What is known of one caller. */
interface Usage {
  /** Calls that he may make now; below zero when the last one counted as many. */
  allowed: number;
  allowedAtMs: number;
  requests: number;
  /** Of the calls that count as more than one. */
  readonly heavyTurns: Turns;
  streams: number;
  refusedSinceLog: number;
  loggedAtMs: number;
}

/**
 * Keeps each caller to his limits, whatever others do; those who have not said who they are do not
 * get here. A call that is allowed may count as more than is left, which the next ones wait for:
 * the largest batch is possible with the smallest burst.
 *
 * @param nowMs on the clock of `performance.now()`
 */
export function createCallerLimits(
  limits: CallerLimits,
  costOf: CallCost,
  logger: Logger,
  nowMs: () => number = () => performance.now(),
): Interceptor {
  const usages = new Map<string, Usage>();

  function usageOf(principal: string): Usage {
    const known = usages.get(principal);
    // The last one is the one that called last.
    if (known !== undefined) usages.delete(principal);
    else if (usages.size >= callersKeptMax) forgetOldest();
    const usage = known ?? newUsage(limits, nowMs());
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

  async function heavy(
    usage: Usage,
    cost: number,
    request: UnaryRequest,
    next: ReturnType<Interceptor>,
  ): Promise<UnaryResponse | StreamResponse> {
    return await usage.heavyTurns.run(cost, async () => {
      // Nobody waits for the answer of a call that was given up meanwhile.
      request.signal.throwIfAborted();
      return await next(request);
    });
  }

  return (next) => async (request) => {
    const caller = callerOf({ values: request.contextValues });
    const principal = principalOf(caller);
    if (principal === "") return await next(request);
    const usage = usageOf(principal);
    if (request.stream) {
      const refused = streamRefusal(usage, limits) ?? rateRefusal(usage, limits, nowMs());
      if (refused !== undefined) refuse(caller, usage, refused);
      usage.allowed -= streamCost;
      usage.streams += 1;
      const { signal } = request;
      // It is aborted however the stream ends.
      const release = (): void => {
        usage.streams -= 1;
      };
      if (signal.aborted) release();
      else signal.addEventListener("abort", release, { once: true });
      return await next(request);
    }
    const refused = requestRefusal(usage, limits) ?? rateRefusal(usage, limits, nowMs());
    if (refused !== undefined) refuse(caller, usage, refused);
    const cost = costOf(request.method, request.message);
    usage.allowed -= cost;
    usage.requests += 1;
    try {
      return await (cost > 1 ? heavy(usage, cost, request, next) : next(request));
    } finally {
      usage.requests -= 1;
    }
  };
}

function newUsage(
  { callerBurst, callerCallsPerSecond: perSecond }: CallerLimits,
  nowMs: number,
): Usage {
  return {
    requests: 0,
    streams: 0,
    refusedSinceLog: 0,
    heavyTurns: createTurns(() => (perSecond * heavyAtWorkMs) / 1_000),
    allowed: callerBurst,
    allowedAtMs: nowMs,
    loggedAtMs: Number.NEGATIVE_INFINITY,
  };
}

function rateRefusal(
  usage: Usage,
  { callerCallsPerSecond: perSecond, callerBurst }: CallerLimits,
  nowMs: number,
): ConnectError | undefined {
  const more = ((nowMs - usage.allowedAtMs) * perSecond) / 1_000;
  usage.allowed = Math.min(callerBurst, usage.allowed + more);
  usage.allowedAtMs = nowMs;
  if (usage.allowed >= 1) return undefined;
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
