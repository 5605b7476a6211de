import type { Message } from "@bufbuild/protobuf";
import {
  Code,
  type ConnectError,
  type Interceptor,
  type StreamRequest,
  type StreamResponse,
} from "@connectrpc/connect";
import type { Logger } from "pino";
import { untilAborted } from "./abortable-stream.ts";
import { createHeldRefusals } from "./access/held-refusals.ts";
import { callOver } from "./rpc-call.ts";
import { rpcError } from "./rpc-errors.ts";
import { answerOfFault } from "./rpc-fault.ts";

/** How much a server does at once, on all its ports together. */
export interface GuardLimits {
  /** Unary calls that have begun and not ended. */
  readonly requestsInFlightMax: number;
  /** Answer streams that are open. */
  readonly streamsOpenMax: number;
}

/** Counts what is in flight, and turns faults into answers that tell nothing about the inside. */
export interface RpcGuard {
  readonly interceptor: Interceptor;
  /** Rejects with a refusal, in a moment when it is one that is cheap to ask for again. */
  readonly refuse: (refusal: ConnectError) => Promise<never>;
  /** Ends the open streams with UNAVAILABLE; every stream that comes later ends at once. */
  readonly endStreams: () => void;
  /** Resolves once no unary call and no stream is in flight. */
  readonly idle: () => Promise<void>;
}

/** The reason of a refusal because too much is in flight; nothing was done. */
export const overloadedReason = "OVERLOADED";

/**
 * The reason of a stream's end because the server stops; the caller may open it again elsewhere.
 */
export const stoppingReason = "STOPPING";

const overloadRetryDelayMs = 250;

/** Makes the guard; its interceptor must be the outermost that sees every way in. */
export function createRpcGuard(limits: GuardLimits, logger: Logger): RpcGuard {
  const streams = new Set<AbortController>();
  const idleListeners: (() => void)[] = [];
  const refusals = createHeldRefusals();
  let requests = 0;
  let stopping = false;

  const checkIdle = (): void => {
    if (requests > 0 || streams.size > 0) return;
    for (const listener of idleListeners.splice(0)) listener();
  };

  const interceptor: Interceptor = (next) => async (request) => {
    if (request.stream) {
      if (stopping) throw serverStopping();
      if (streams.size >= limits.streamsOpenMax) throw overloaded(undefined);
      const controller = new AbortController();
      const release = (): void => {
        streams.delete(controller);
        checkIdle();
      };
      controller.signal.addEventListener("abort", release, { once: true });
      streams.add(controller);
      return superviseStream(next, request, controller, logger).catch(refusals.reject);
    }
    if (requests >= limits.requestsInFlightMax) throw overloaded(request.message);
    requests += 1;
    try {
      return await next(request);
    } catch (fault) {
      // Not awaited: a refusal that is held back is no longer in flight.
      return refusals.reject(answerOfFault(fault, request, logger));
    } finally {
      requests -= 1;
      checkIdle();
    }
  };

  return {
    interceptor,
    refuse: refusals.reject,
    endStreams: () => {
      stopping = true;
      refusals.letGo();
      for (const controller of streams) controller.abort(serverStopping());
    },
    idle: () =>
      new Promise((resolve) => {
        idleListeners.push(resolve);
        checkIdle();
      }),
  };
}

async function superviseStream(
  next: ReturnType<Interceptor>,
  request: StreamRequest,
  controller: AbortController,
  logger: Logger,
): Promise<StreamResponse> {
  const { signal } = request;
  const follow = (): void => controller.abort(signal.reason);
  if (signal.aborted) follow();
  else signal.addEventListener("abort", follow, { once: true });
  const end = (): void => {
    signal.removeEventListener("abort", follow);
    controller.abort(callOver());
  };
  const fail = (fault: unknown): ConnectError => answerOfFault(fault, request, logger);
  try {
    const response = await next({ ...request, signal: controller.signal });
    if (!response.stream) throw new Error(`${request.method.name} answered without a stream`);
    return { ...response, message: untilAborted(response.message, controller.signal, end, fail) };
  } catch (fault) {
    end();
    throw fail(fault);
  }
}

function overloaded(message: Message | undefined): ConnectError {
  const refusal = {
    code: Code.Unavailable,
    reason: overloadedReason,
    message: "The server is busy; nothing was done",
  };
  // A generic client repeats what carries a retry delay, and must not pay twice.
  return rpcError(
    message !== undefined && hasRequestId(message)
      ? { ...refusal, retryDelayMs: overloadRetryDelayMs }
      : refusal,
  );
}

function hasRequestId(message: Message): boolean {
  return (
    "requestId" in message && typeof message.requestId === "string" && message.requestId !== ""
  );
}

function serverStopping(): ConnectError {
  return rpcError({
    code: Code.Unavailable,
    reason: stoppingReason,
    message: "The server is stopping",
  });
}
