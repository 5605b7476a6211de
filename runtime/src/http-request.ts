import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Compression, UniversalServerRequest } from "@connectrpc/connect/protocol";
import { compressionGzip } from "@connectrpc/connect-node";
import { allowedMs, type DeadlineLimits } from "./rpc-call.ts";
import { messageTooLarge } from "./rpc-errors.ts";

/** How much and for how long a request may ask. */
export interface HttpRequestLimits extends DeadlineLimits {
  readonly messageBytesMax: number;
}

// A flag and a length stand before each message of a stream and of gRPC-Web.
const envelopeBytes = 5;

const timeoutUnitMs = new Map([
  ["H", 3_600_000],
  ["M", 60_000],
  ["S", 1_000],
  ["m", 1],
  ["u", 1e-3],
  ["n", 1e-6],
]);

/**
 * The request as Connect's handlers take it, within our limits: the body fails with
 * RESOURCE_EXHAUSTED past its limit, and the timeout is the caller's, our default or our maximum.
 * @throws ConnectError INVALID_ARGUMENT
 */
export function universalRequest(
  request: IncomingMessage,
  signal: AbortSignal,
  streaming: boolean,
  limits: HttpRequestLimits,
): UniversalServerRequest {
  const header = new Headers();
  for (const [name, values] of Object.entries(request.headersDistinct)) {
    for (const value of values ?? []) header.append(name, value);
  }
  limitTimeout(header, streaming, limits);
  // Connect would make room for as many bytes as are announced, before one has come.
  header.delete("content-length");
  // The host is the caller's text and nobody's business here; with it, the URL could be none.
  const url = new URL(`http://localhost${request.url ?? "/"}`);
  return {
    httpVersion: request.httpVersion,
    method: request.method ?? "",
    url: url.toString(),
    header,
    signal,
    body: limitedBody(request, header.get("content-type") ?? "", limits.messageBytesMax),
  };
}

/** Gzip that refuses to inflate a message past the limit, and whose refusal names the setting. */
export function limitedGzip(messageBytesMax: number): Compression {
  return {
    name: compressionGzip.name,
    compress: (bytes) => compressionGzip.compress(bytes),
    decompress: async (bytes) => {
      try {
        return await compressionGzip.decompress(bytes, messageBytesMax);
      } catch (fault) {
        const { code } = ConnectError.from(fault);
        if (code === Code.ResourceExhausted) throw messageTooLarge(messageBytesMax);
        throw new ConnectError("The message is not valid gzip", Code.InvalidArgument);
      }
    },
  };
}

/**
 * Whether the message in the query of a GET request can be decoded; Connect answers INTERNAL where
 * it cannot.
 */
export function hasReadableQuery(request: UniversalServerRequest): boolean {
  const { searchParams } = new URL(request.url);
  if (request.method !== "GET" || searchParams.get("base64") !== "1") return true;
  try {
    base64Decode(searchParams.get("message") ?? "");
    return true;
  } catch {
    return false;
  }
}

async function* limitedBody(
  request: IncomingMessage,
  contentType: string,
  messageBytesMax: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const enveloped = /^application\/(connect\+|grpc)/i.test(contentType);
  const bytesMax = messageBytesMax + (enveloped ? envelopeBytes : 0);
  const chunks: Buffer<ArrayBuffer>[] = [];
  let received = 0;
  // Left early, the stream must not be destroyed: the caller could not be told why he was refused.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    received += chunk.length;
    if (received > bytesMax) {
      // What still comes is thrown away, so that the connection gets to the next request.
      request.resume();
      throw messageTooLarge(messageBytesMax);
    }
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  if (/^application\/json/i.test(contentType) && !isPlainUtf8(request, body)) {
    throw new ConnectError("The body is not valid UTF-8", Code.InvalidArgument);
  }
  yield body;
}

function isPlainUtf8(request: IncomingMessage, body: Buffer): boolean {
  return request.headers["content-encoding"] !== undefined || isUtf8(body);
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
