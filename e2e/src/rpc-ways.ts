import type { DescMethodServerStreaming, DescMethodUnary, Message } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { errorReason } from "@pelikuni/runtime/rpc-errors";

/** What a caller gets for one call. */
export interface RpcAnswer {
  /** "OK", or the code's name. */
  readonly code: string;
  /** The reason that an error gives; empty when there is none. */
  readonly reason: string;
  /** All that a caller can see of an error: its text, its details' bytes, headers and trailers. */
  readonly shown: string;
  /** The answer, of a stream its first message. */
  readonly message: Message | undefined;
}

/** A protocol in which a service is called. */
export interface RpcWay {
  readonly name: string;
  readonly transport: Transport;
}

/** The kinds of methods that there are in the contract. */
export type CallableMethod = DescMethodUnary | DescMethodServerStreaming;

const callDeadlineMs = 10_000;
const leftOut = new Set(["date", "grpc-status-details-bin"]);

/** The protocols of a service's HTTP port. */
export function httpWays(httpPort: number): RpcWay[] {
  const options = { baseUrl: `http://127.0.0.1:${httpPort}`, httpVersion: "1.1" } as const;
  return [
    { name: "Connect", transport: createConnectTransport(options) },
    { name: "Connect by GET", transport: createConnectTransport({ ...options, useHttpGet: true }) },
    { name: "gRPC-Web", transport: createGrpcWebTransport(options) },
  ];
}

/** Makes a call with these headers; a stream is left after its first message. */
export async function callRpc(
  { transport }: RpcWay,
  method: CallableMethod,
  request: Message,
  headers: Headers,
): Promise<RpcAnswer> {
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(callDeadlineMs)]);
  try {
    const message = await firstMessage(transport, method, request, headers, signal);
    return { code: "OK", reason: "", shown: "", message };
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    const reason = errorReason(error) ?? "";
    return { code: Code[error.code], reason, shown: visibleOf(error), message: undefined };
  } finally {
    over.abort();
  }
}

async function firstMessage(
  transport: Transport,
  method: CallableMethod,
  request: Message,
  headers: Headers,
  signal: AbortSignal,
): Promise<Message | undefined> {
  if (method.methodKind === "unary") {
    return (await transport.unary(method, signal, callDeadlineMs, headers, request)).message;
  }
  const input = (async function* only() {
    yield request;
  })();
  const { message } = await transport.stream(method, signal, undefined, headers, input);
  for await (const each of message) return each;
  return undefined;
}

/** Everything but what differs from call to call by itself, and what says the details once more. */
function visibleOf({ code, rawMessage, details, metadata }: ConnectError): string {
  const shownDetails = details.map((each) => {
    if (!("type" in each)) throw new Error("An error that was received has no message to make.");
    return [each.type, Buffer.from(each.value).toString("latin1")];
  });
  const headers = [...metadata].filter(([name]) => !leftOut.has(name));
  return JSON.stringify({ code, rawMessage, details: shownDetails, headers });
}
