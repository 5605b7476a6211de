import type { IncomingMessage } from "node:http";
import type { DescMethod } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import type { UniversalServerRequest } from "@connectrpc/connect/protocol";
import { decodeMessage } from "./message-decoding.ts";
import { allowedMs, type DeadlineLimits } from "./rpc-call.ts";

const timeoutUnitMs = new Map([
  ["H", 3_600_000],
  ["M", 60_000],
  ["S", 1_000],
  ["m", 1],
  ["u", 1e-3],
  ["n", 1e-6],
]);

/**
 * The request as Connect's handlers take it, within our limits. A body that is refused fails when
 * it is read, so that the handler answers in the caller's protocol; the timeout is the caller's,
 * our default or our maximum.
 * @throws ConnectError INVALID_ARGUMENT
 */
export function universalRequest(
  request: IncomingMessage,
  signal: AbortSignal,
  method: DescMethod,
  limits: DeadlineLimits,
  body: Promise<Uint8Array<ArrayBuffer>>,
): UniversalServerRequest {
  const { method: verb = "", url: path = "/", httpVersion } = request;
  // The host is the caller's text and nobody's business here; with it, the URL could be none.
  const url = new URL(`http://localhost${path}`);
  if (verb === "GET") checkQuery(url.searchParams, method);
  const header = new Headers();
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    for (const value of values ?? []) header.append(name, value);
  }
  limitTimeout(header, method.methodKind !== "unary", limits);
  // The body is inflated, and as long as it is.
  header.delete("content-length");
  if (header.get("content-encoding") === "gzip") header.delete("content-encoding");
  return { httpVersion, method: verb, url: url.toString(), header, signal, body: once(body) };
}

async function* once<T>(value: Promise<T>): AsyncGenerator<T> {
  yield await value;
}

// Connect answers INTERNAL where the message in a query cannot be decoded.
function checkQuery(query: URLSearchParams, { input }: DescMethod): void {
  // What fits into a query could be megabytes.
  if ((query.get("compression") ?? "identity") !== "identity") {
    throw new ConnectError("A query's message must not be compressed", Code.InvalidArgument);
  }
  const message = query.get("message") ?? "";
  try {
    const bytes = query.get("base64") === "1" ? base64Decode(message) : Buffer.from(message);
    if (query.get("encoding") === "proto") decodeMessage(input, bytes);
  } catch {
    const what = `The query's message is not a ${input.typeName} in base64`;
    throw new ConnectError(what, Code.InvalidArgument);
  }
}

function limitTimeout(header: Headers, streaming: boolean, limits: DeadlineLimits): void {
  const grpcWeb = /^application\/grpc/i.test(header.get("content-type") ?? "");
  const name = grpcWeb ? "grpc-timeout" : "connect-timeout-ms";
  const text = header.get(name);
  const asked = /^(\d{1,10})([HMSmun]?)$/.exec(text ?? "");
  // What is no timeout is left for Connect to refuse.
  if (text !== null && (asked === null || (asked[2] !== "") !== grpcWeb)) return;
  const unitMs = timeoutUnitMs.get(asked?.[2] ?? "") ?? 1;
  const askedMs = asked === null ? undefined : Number(asked[1]) * unitMs;
  const givenMs = Math.ceil(allowedMs(askedMs, streaming, limits));
  header.set(name, grpcWeb ? `${givenMs}m` : `${givenMs}`);
}
