import { create, type DescMessage, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type HandlerContext,
  type Interceptor,
  type MethodImplSpec,
  type StreamRequest,
  type StreamResponse,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import { RpcCall } from "./rpc-call.ts";

/** The implementation of a method that takes one message and answers one. */
export type UnarySpec = Extract<MethodImplSpec, { kind: "unary" }>;

/** The implementation of a method that takes one message and answers a stream of them. */
export type ServerStreamSpec = Extract<MethodImplSpec, { kind: "server_streaming" }>;

/** Runs a unary call through interceptors and implementation. */
export type UnaryRunner = (call: RpcCall, message: Message) => Promise<UnaryResponse>;

/** Runs a server-streaming call through interceptors and implementation. */
export type StreamRunner = (call: RpcCall, message: Message) => Promise<StreamResponse>;

type AnyRequest = UnaryRequest | StreamRequest;
type AnyFunction = ReturnType<Interceptor>;

/** Binds a unary implementation to its interceptors; the first interceptor is the outermost. */
export function unaryRunner(spec: UnarySpec, interceptors: readonly Interceptor[]): UnaryRunner {
  const run = intercept(interceptors, async (request) => {
    if (request.stream) throw wrongKind(request);
    const call = callOf(request);
    const output = await spec.impl(request.message, contextOf(call, request));
    return new LazyResponse(spec, call, create(spec.method.output, output));
  });
  return async (call, message) => {
    const request = new LazyRequest(spec, call, message);
    call.firstRequest = request;
    const response = await run(request);
    if (response.stream) throw wrongKind(request);
    return response;
  };
}

/** Binds a streaming implementation to its interceptors; the first interceptor is the outermost. */
export function streamRunner(
  spec: ServerStreamSpec,
  interceptors: readonly Interceptor[],
): StreamRunner {
  const { method } = spec;
  const run = intercept(interceptors, async (request) => {
    if (!request.stream) throw wrongKind(request);
    const call = callOf(request);
    const input = await onlyMessage(request.message);
    const output = spec.impl(input, contextOf(call, request));
    const { responseHeader: header, responseTrailer: trailer, service } = call;
    const message = completeMessages(method.output, output);
    return { stream: true, service, method, header, trailer, message };
  });
  return async (call, message) => {
    const { service, requestMethod, url, signal, requestHeader: header, values } = call;
    const common = { service, requestMethod, url, signal, header, contextValues: values, call };
    const request = { ...common, stream: true, method, message: justOne(message) } as const;
    const response = await run(request);
    if (!response.stream) throw wrongKind(request);
    return response;
  };
}

/** An iterable of one message. */
export async function* justOne<T>(message: T): AsyncGenerator<T> {
  yield message;
}

/**
 * The only message of an iterable.
 * @throws ConnectError UNIMPLEMENTED when there is none or more than one.
 */
export async function onlyMessage<T>(messages: AsyncIterable<T>): Promise<T> {
  const received: T[] = [];
  for await (const message of messages) {
    received.push(message);
    if (received.length > 1) break;
  }
  const [first] = received;
  if (first === undefined || received.length > 1) {
    throw new ConnectError("This method takes exactly one message", Code.Unimplemented);
  }
  return first;
}

function intercept(interceptors: readonly Interceptor[], innermost: AnyFunction): AnyFunction {
  return interceptors.reduceRight((next, interceptor) => interceptor(next), innermost);
}

// Accessors rather than values, so that a call nobody looks into makes no Headers and no
// AbortController; of a class rather than of each object, since they would cost as much as the
// rest. An interceptor must therefore not spread a unary request, and contextOf notices.
class LazyRequest implements UnaryRequest {
  readonly stream = false;
  readonly requestMethod = "POST";
  readonly method: UnaryRequest["method"];
  readonly message: Message;
  readonly call: RpcCall;

  constructor(spec: UnarySpec, call: RpcCall, message: Message) {
    this.method = spec.method;
    this.call = call;
    this.message = message;
  }

  get service(): UnaryRequest["service"] {
    return this.call.service;
  }

  get url(): string {
    return this.call.url;
  }

  get signal(): AbortSignal {
    return this.call.signal;
  }

  get header(): Headers {
    return this.call.requestHeader;
  }

  get contextValues(): UnaryRequest["contextValues"] {
    return this.call.values;
  }
}

class LazyResponse implements UnaryResponse {
  readonly stream = false;
  readonly method: UnaryResponse["method"];
  readonly message: Message;
  readonly #call: RpcCall;

  constructor(spec: UnarySpec, call: RpcCall, message: Message) {
    this.method = spec.method;
    this.#call = call;
    this.message = message;
  }

  get service(): UnaryResponse["service"] {
    return this.#call.service;
  }

  get header(): Headers {
    return this.#call.responseHeader;
  }

  get trailer(): Headers {
    return this.#call.responseTrailer;
  }
}

/** The call behind a request that came by gRPC, or inside the process. */
export function rpcCallOf(request: AnyRequest): RpcCall | undefined {
  return "call" in request && request.call instanceof RpcCall ? request.call : undefined;
}

function callOf(request: AnyRequest): RpcCall {
  const call = "header" in request ? rpcCallOf(request) : undefined;
  if (call !== undefined) return call;
  throw new Error(`An interceptor of ${request.method.name} dropped parts of the request`);
}

// The call itself is the handler's context, unless an interceptor passed on another request than it
// was given.
function contextOf(call: RpcCall, request: AnyRequest): HandlerContext {
  if (call.firstRequest === request) return call;
  return {
    service: call.service,
    method: call.method,
    requestMethod: call.requestMethod,
    url: call.url,
    protocolName: call.protocolName,
    timeoutMs: () => call.timeoutMs(),
    signal: request.signal,
    requestHeader: request.header,
    values: request.contextValues,
    get responseHeader() {
      return call.responseHeader;
    },
    get responseTrailer() {
      return call.responseTrailer;
    },
  };
}

async function* completeMessages<Desc extends DescMessage>(
  schema: Desc,
  messages: AsyncIterable<MessageInitShape<Desc>>,
): AsyncGenerator<Message> {
  for await (const message of messages) yield create(schema, message);
}

function wrongKind(request: AnyRequest): Error {
  return new Error(`An interceptor of ${request.method.name} mixed up unary and streaming calls`);
}
