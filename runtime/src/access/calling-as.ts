import { createContextValues, type Transport } from "@connectrpc/connect";
import { type Caller, callerKey } from "./caller.ts";

/**
 * A Transport inside this process whose calls are made by a given caller, who needs no token. Over a
 * network nothing of it arrives.
 */
export function callingAs(transport: Transport, caller: Caller): Transport {
  const values = (given = createContextValues()): typeof given => given.set(callerKey, caller);
  return {
    unary: (method, signal, timeoutMs, header, input, contextValues) =>
      transport.unary(method, signal, timeoutMs, header, input, values(contextValues)),
    stream: (method, signal, timeoutMs, header, input, contextValues) =>
      transport.stream(method, signal, timeoutMs, header, input, values(contextValues)),
  };
}
