import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { Logger } from "pino";

/** The call that something went wrong in. */
export type FailedCall = Pick<HandlerContext, "service" | "method" | "signal">;

/**
 * What a caller is told about something that was thrown. A ConnectError is meant for him; anything
 * else is a fault, which may hold SQL, addresses or other people's data: it is logged, and he gets
 * INTERNAL, "Internal error".
 */
export function answerOfFault(fault: unknown, call: FailedCall, logger: Logger): ConnectError {
  if (fault instanceof ConnectError) return fault;
  const { signal, service, method } = call;
  if (signal.aborted && fault instanceof Error && fault.name === "AbortError") {
    return ConnectError.from(signal.reason, Code.Canceled);
  }
  logger.error({ error: fault, method: `${service.typeName}/${method.name}` }, "A call failed.");
  return new ConnectError("Internal error", Code.Internal);
}
