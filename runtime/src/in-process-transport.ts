import {
  create,
  type DescMessage,
  type DescMethod,
  isMessage,
  type MessageShape,
} from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ContextValues,
  type Interceptor,
  type ServiceImplSpec,
  type StreamResponse,
  type Transport,
  type UnaryResponse,
} from "@connectrpc/connect";
import type { Logger } from "pino";
import { untilAborted } from "./abortable-stream.ts";
import { allowedMs, type DeadlineLimits, deadlineExceeded, RpcCall } from "./rpc-call.ts";
import { answerOfFault } from "./rpc-fault.ts";
import {
  onlyMessage,
  type StreamRunner,
  streamRunner,
  type UnaryRunner,
  unaryRunner,
} from "./rpc-run.ts";

/** What an in-process transport calls, and how. */
export interface InProcessTransportOptions extends DeadlineLimits {
  readonly services: readonly ServiceImplSpec[];
  /** The outermost first: the same as on the ports, so that a call is checked the same way. */
  readonly interceptors: readonly Interceptor[];
  readonly logger: Logger;
}

/**
 * A Transport that calls implementations in this process, without encoding a byte: caller and
 * handler share the messages, so that neither may change one that it has passed on. Deadlines and
 * aborts work as over a network.
 */
export function createInProcessTransport(options: InProcessTransportOptions): Transport {
  const unary = new Map<DescMethod, UnaryRunner>();
  const streams = new Map<DescMethod, StreamRunner>();
  for (const spec of options.services.flatMap((service) => Object.values(service.methods))) {
    if (spec.kind === "unary") unary.set(spec.method, unaryRunner(spec, options.interceptors));
    if (spec.kind === "server_streaming") {
      streams.set(spec.method, streamRunner(spec, options.interceptors));
    }
  }
  return {
    unary: async (method, signal, timeoutMs, header, input, contextValues) => {
      const run = unary.get(method) ?? notServed(method);
      const abortable = beginCall(method, options, { signal, timeoutMs, header, contextValues });
      const { call } = abortable;
      try {
        const response = await abortable.race(run(call, create(method.input, input)));
        return new TypedResponse(method, response);
      } catch (fault) {
        throw answerOfFault(fault, call, options.logger);
      } finally {
        abortable.end();
      }
    },
    stream: async (method, signal, timeoutMs, header, input, contextValues) => {
      const run = streams.get(method) ?? notServed(method);
      const abortable = beginCall(method, options, { signal, timeoutMs, header, contextValues });
      const { call } = abortable;
      const fail = (fault: unknown): ConnectError => answerOfFault(fault, call, options.logger);
      try {
        const message = create(method.input, await onlyMessage(input));
        const response = await abortable.race(run(call, message));
        const messages = untilAborted(response.message, call.signal, abortable.end, fail);
        return { ...response, method, message: typedMessages(method.output, messages) };
      } catch (fault) {
        abortable.end();
        throw fail(fault);
      }
    },
  };
}

interface CallerOptions {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number | undefined;
  readonly header: ConstructorParameters<typeof Headers>[0] | undefined;
  readonly contextValues: ContextValues | undefined;
}

interface AbortableCall {
  readonly call: RpcCall;
  /** The answer, or the reason of an abort that comes first, even where the handler ignores it. */
  readonly race: <T>(answer: Promise<T>) => Promise<T>;
  readonly end: () => void;
}

function beginCall(
  method: DescMethod,
  limits: DeadlineLimits,
  { signal, timeoutMs, header, contextValues }: CallerOptions,
): AbortableCall {
  const givenMs = allowedMs(timeoutMs, method.methodKind !== "unary", limits);
  if (givenMs <= 0) throw deadlineExceeded();
  if (signal?.aborted) throw ConnectError.from(signal.reason, Code.Canceled);
  const call = new RpcCall(method, {
    protocolName: "in-process",
    deadlineAt: Date.now() + givenMs,
    readHeader: () => new Headers(header),
    contextValues,
  });
  let giveUp: ((reason: ConnectError) => void) | undefined;
  const abort = (reason: ConnectError): void => {
    call.abort(reason);
    giveUp?.(reason);
  };
  const onAbort = (): void => abort(ConnectError.from(signal?.reason, Code.Canceled));
  const timer = setTimeout(() => abort(deadlineExceeded()), givenMs);
  signal?.addEventListener("abort", onAbort, { once: true });
  return {
    call,
    race: (answer) =>
      new Promise((resolve, reject) => {
        giveUp = reject;
        answer.then(resolve, reject);
      }),
    end: () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      call.finish();
    },
  };
}

class TypedResponse<I extends DescMessage, O extends DescMessage> implements UnaryResponse<I, O> {
  readonly stream = false;
  readonly method: UnaryResponse<I, O>["method"];
  readonly message: MessageShape<O>;
  readonly #response: UnaryResponse;

  constructor(method: UnaryResponse<I, O>["method"], response: UnaryResponse) {
    const { message } = response;
    if (!isMessage(message, method.output)) throw wrongMessage(method.output);
    this.method = method;
    this.message = message;
    this.#response = response;
  }

  get service(): UnaryResponse["service"] {
    return this.#response.service;
  }

  get header(): Headers {
    return this.#response.header;
  }

  get trailer(): Headers {
    return this.#response.trailer;
  }
}

function typedMessages<O extends DescMessage>(
  schema: O,
  messages: StreamResponse["message"],
): StreamResponse<DescMessage, O>["message"] {
  return {
    [Symbol.asyncIterator]: () => {
      const iterator = messages[Symbol.asyncIterator]();
      return {
        next: async () => {
          const result = await iterator.next();
          if (result.done === true) return { done: true, value: undefined };
          if (!isMessage(result.value, schema)) throw wrongMessage(schema);
          return { done: false, value: result.value };
        },
        return: async () => {
          await iterator.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

function notServed(method: DescMethod): never {
  const name = `${method.parent.typeName}/${method.name}`;
  throw new ConnectError(`This server does not serve ${name}`, Code.Unimplemented);
}

function wrongMessage(schema: DescMessage): Error {
  return new Error(`The answer is not a ${schema.typeName} message`);
}
