import {
  create,
  type DescMessage,
  type DescMethod,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport, type UnaryResponse } from "@connectrpc/connect";
import {
  type CallOptions,
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
  type StatusObject,
} from "@grpc/grpc-js";
import type { Certificates } from "./certificates.ts";
import { grpcCredentials } from "./grpc-credentials.ts";
import { errorOfStatus, headersOf, metadataOf } from "./grpc-js-status.ts";
import { deadlineExceeded } from "./rpc-call.ts";
import { onlyMessage } from "./rpc-run.ts";

/** Where a gRPC transport calls, and within which limits. */
export interface GrpcTransportOptions {
  /** "host:port"; a name that resolves to several addresses is tried one after the other. */
  readonly address: string;
  /** Left out: the connection is not encrypted. */
  readonly tls?: Certificates | undefined;
  /** Bytes of a message in either direction; above it RESOURCE_EXHAUSTED. */
  readonly messageBytesMax: number;
  /**
   * Milliseconds for a unary call whose caller names no timeout. Streams have none of their own.
   */
  readonly deadlineDefaultMs: number;
}

// Short, so that a service that was restarted is found again within a second.
const reconnectMinMs = 100;
const reconnectMaxMs = 1_000;
const keepaliveMs = 20_000;
const keepaliveTimeoutMs = 5_000;

/**
 * A Transport over one HTTP/2 connection of grpc-js. Errors come back as the
 * ConnectError that the handler threw, details included. An UNAVAILABLE without a reason of ours is
 * the connection's: the outcome is unknown.
 */
export function createGrpcTransport(options: GrpcTransportOptions): Transport & AsyncDisposable {
  const { address, tls } = options;
  const host = address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
  const security = tls === undefined ? credentials.createInsecure() : grpcCredentials(tls, host);
  const client = new Client(address, security, {
    "grpc.max_send_message_length": options.messageBytesMax,
    "grpc.max_receive_message_length": options.messageBytesMax,
    "grpc.initial_reconnect_backoff_ms": reconnectMinMs,
    "grpc.min_reconnect_backoff_ms": reconnectMinMs,
    "grpc.max_reconnect_backoff_ms": reconnectMaxMs,
    "grpc.keepalive_time_ms": keepaliveMs,
    "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_channelz": 0,
  });
  return {
    unary: unaryCaller(client, options.deadlineDefaultMs),
    stream: streamCaller(client),
    [Symbol.asyncDispose]: async () => client.close(),
  };
}

function unaryCaller(client: Client, deadlineDefaultMs: number): Transport["unary"] {
  return (method, signal, timeoutMs, header, input) => {
    return new Promise((resolve, reject) => {
      const response = new ResponseMetadata();
      const call = client.makeUnaryRequest(
        methodPath(method),
        (message) => encode(method.input, message),
        (bytes) => fromBinary(method.output, bytes),
        create(method.input, input),
        requestMetadata(header),
        callOptions(signal, timeoutMs ?? deadlineDefaultMs),
        (error, message) => {
          signal?.removeEventListener("abort", cancel);
          if (error !== null) reject(callError(error, signal));
          else if (message === undefined) reject(noMessage());
          else resolve(unaryResponse(method, message, response));
        },
      );
      const cancel = (): void => call.cancel();
      signal?.addEventListener("abort", cancel, { once: true });
      response.listen(call);
    });
  };
}

function streamCaller(client: Client): Transport["stream"] {
  return async (method, signal, timeoutMs, header, input) => {
    const response = new ResponseMetadata();
    const call = client.makeServerStreamRequest(
      methodPath(method),
      (message) => encode(method.input, message),
      (bytes) => fromBinary(method.output, bytes),
      create(method.input, await onlyMessage(input)),
      requestMetadata(header),
      callOptions(signal, timeoutMs),
    );
    const cancel = (): void => call.cancel();
    const onEnd = (): void => {
      signal?.removeEventListener("abort", cancel);
      call.cancel();
    };
    signal?.addEventListener("abort", cancel, { once: true });
    response.listen(call);
    const begun = new Promise<void>((resolve, reject) => {
      call.once("metadata", () => resolve());
      call.once("status", () => resolve());
      // Listens for as long as the stream lives: an error that nobody listens to would end the
      // process.
      call.on("error", (error) => reject(error));
    });
    try {
      await begun;
    } catch (fault) {
      onEnd();
      throw callError(fault, signal);
    }
    return {
      stream: true,
      service: method.parent,
      method,
      header: response.header,
      get trailer() {
        return response.trailer;
      },
      message: receivedMessages(call, signal, onEnd),
    };
  };
}

async function* receivedMessages<T>(
  call: ClientReadableStream<T>,
  signal: AbortSignal | undefined,
  onEnd: () => void,
): AsyncGenerator<T> {
  try {
    for await (const message of call) yield message;
  } catch (fault) {
    throw callError(fault, signal);
  } finally {
    onEnd();
  }
}

/** What a response says beside its messages; Headers are made of it only when somebody looks. */
class ResponseMetadata {
  #header = new Metadata();
  #trailer = new Metadata();

  listen(call: SurfaceCall): void {
    call.once("metadata", (metadata) => {
      this.#header = metadata;
    });
    call.once("status", (status) => {
      this.#trailer = status.metadata;
    });
  }

  get header(): Headers {
    return headersOf(this.#header);
  }

  get trailer(): Headers {
    return headersOf(this.#trailer);
  }
}

interface SurfaceCall {
  once(event: "metadata", listener: (metadata: Metadata) => void): unknown;
  once(event: "status", listener: (status: StatusObject) => void): unknown;
}

function unaryResponse<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  message: MessageShape<O>,
  response: ResponseMetadata,
): UnaryResponse<I, O> {
  return {
    stream: false,
    service: method.parent,
    method,
    message,
    get header() {
      return response.header;
    },
    get trailer() {
      return response.trailer;
    },
  };
}

function callOptions(signal: AbortSignal | undefined, timeoutMs: number | undefined): CallOptions {
  if (signal?.aborted) throw ConnectError.from(signal.reason, Code.Canceled);
  if (timeoutMs === undefined) return {};
  if (timeoutMs <= 0) throw deadlineExceeded();
  return { deadline: Date.now() + timeoutMs };
}

function callError(fault: unknown, signal: AbortSignal | undefined): ConnectError {
  if (signal?.aborted) return ConnectError.from(signal.reason, Code.Canceled);
  return isStatus(fault) ? errorOfStatus(fault) : ConnectError.from(fault, Code.Internal);
}

function isStatus(fault: unknown): fault is ServiceError {
  return fault instanceof Error && "code" in fault && "details" in fault && "metadata" in fault;
}

function requestMetadata(header: ConstructorParameters<typeof Headers>[0] | undefined): Metadata {
  return header === undefined ? new Metadata() : metadataOf(new Headers(header));
}

function methodPath(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function encode<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Buffer {
  const bytes = toBinary(schema, message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function noMessage(): ConnectError {
  return new ConnectError("The server answered without a message", Code.Unimplemented);
}
