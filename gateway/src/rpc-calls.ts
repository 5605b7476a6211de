import { performance } from "node:perf_hooks";
import { setTimeout } from "node:timers/promises";
import type {
  DescMessage,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { errorRetryDelayMs } from "@pelikuni/runtime/rpc-errors";
import type { FastifyReply } from "fastify";
import { clientSignals } from "./client-signals.ts";

/** How long a call may take, and how often one with an Idempotency-Key is repeated. */
export interface CallLimits {
  /** Milliseconds that a call may take, repetitions included. */
  readonly request_timeout_ms: number;
  /** The most attempts at one call; 1 repeats nothing. */
  readonly repeat_attempts_max: number;
  /** Milliseconds before the first repetition; doubles each time. */
  readonly repeat_backoff_ms: number;
  /** Milliseconds after the request's arrival in which a repetition may start. */
  readonly repeat_window_ms: number;
}

/**
 * Calls a service on behalf of an HTTP request: within its deadline, cancelled when its
 * client is gone, and repeated while the service is unavailable if the request has a key.
 *
 * @throws ConnectError
 */
export type CallRpc = <I extends DescMessage, O extends DescMessage>(
  reply: FastifyReply,
  method: DescMethodUnary<I, O>,
  input: MessageInitShape<I>,
) => Promise<MessageShape<O>>;

/** Makes the caller for one transport. */
export function rpcCaller(transport: Transport, limits: CallLimits): CallRpc {
  const signalOf = clientSignals();
  return async (reply, method, input) => {
    const startedAt = performance.now();
    const signal = signalOf(reply.raw.req.socket);
    const call = async () => {
      const leftMs = limits.request_timeout_ms - (performance.now() - startedAt);
      // Connect's protocol knows whole milliseconds alone.
      const timeoutMs = Math.max(1, Math.ceil(leftMs));
      const header = credentialsOf(reply);
      const response = await transport.unary(method, signal, timeoutMs, header, input);
      return response.message;
    };
    const keyed = reply.request.headers["idempotency-key"] !== undefined;
    let pauseMs = limits.repeat_backoff_ms;
    for (let left = keyed ? limits.repeat_attempts_max : 1; left > 1; left -= 1) {
      try {
        return await call();
      } catch (error) {
        const waitMs = Math.max(pauseMs, retryDelayMs(error));
        const elapsedMs = performance.now() - startedAt;
        if (elapsedMs + waitMs > limits.repeat_window_ms) throw error;
        await setTimeout(waitMs);
        pauseMs *= 2;
      }
    }
    return call();
  };
}

/** What says who calls: the services behind the gateway look at it, the gateway does not. */
export function credentialsOf({ request }: FastifyReply): Record<string, string> | undefined {
  const { authorization } = request.headers;
  return authorization === undefined ? undefined : { authorization };
}

/** The delay that an error asks for before a repetition; infinite when it forbids one. */
function retryDelayMs(error: unknown): number {
  const repeatable = error instanceof ConnectError && error.code === Code.Unavailable;
  return repeatable ? (errorRetryDelayMs(error) ?? 0) : Number.POSITIVE_INFINITY;
}
