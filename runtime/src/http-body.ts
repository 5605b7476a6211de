import type { IncomingMessage } from "node:http";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { checkJson, decodeMessage } from "./message-decoding.ts";
import { messageTooLarge } from "./rpc-errors.ts";

// A byte of flags and four of length stand before each message of a stream and of gRPC-Web.
const envelopeBytes = 5;
const compressedFlag = 1;

const inflate = promisify(gunzip);

/**
 * The whole body of a request, inflated. It is read here rather than by Connect, which would answer
 * INTERNAL for bytes that are no message, and would not name the setting when they are too many.
 * @throws ConnectError RESOURCE_EXHAUSTED, INVALID_ARGUMENT
 */
export async function readBody(
  request: IncomingMessage,
  method: DescMethod,
  messageBytesMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const contentType = request.headers["content-type"] ?? "";
  const enveloped = /^application\/(connect\+|grpc)/i.test(contentType);
  const body = await readAll(request, messageBytesMax, enveloped ? envelopeBytes : 0);
  const check = (bytes: Buffer<ArrayBuffer>): void => checkMessage(bytes, contentType, method);
  if (!enveloped) {
    const gzip = request.headers["content-encoding"] === "gzip";
    const message = gzip ? await inflateMessage(body, messageBytesMax) : body;
    check(message);
    return message;
  }
  const whole =
    body.length >= envelopeBytes && body.readUInt32BE(1) === body.length - envelopeBytes;
  // Connect would inflate and decode the first of several before it notices the second.
  if (!whole) throw new ConnectError("The body is not one enveloped message", Code.InvalidArgument);
  const content = body.subarray(envelopeBytes);
  const message =
    body[0] === compressedFlag ? await inflateMessage(content, messageBytesMax) : content;
  check(message);
  const header = Buffer.alloc(envelopeBytes);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

function readAll(
  request: IncomingMessage,
  messageBytesMax: number,
  overheadBytes: number,
): Promise<Buffer<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      // The rest is read and dropped, so that the caller gets the answer and the connection its
      // next request.
      if (bytes > messageBytesMax + overheadBytes) reject(messageTooLarge(messageBytesMax));
      else chunks.push(chunk);
    });
    request.once("end", () => resolve(Buffer.concat(chunks)));
    request.once("error", reject);
    const breakOff = (): void => reject(new ConnectError("The request broke off", Code.Aborted));
    request.once("close", breakOff);
    if (request.destroyed) breakOff();
  });
}

async function inflateMessage(
  bytes: Buffer<ArrayBuffer>,
  messageBytesMax: number,
): Promise<Buffer<ArrayBuffer>> {
  if (bytes.length === 0) return bytes;
  try {
    return Buffer.from(await inflate(bytes, { maxOutputLength: messageBytesMax }));
  } catch (fault) {
    const tooLarge =
      fault instanceof Error && "code" in fault && fault.code === "ERR_BUFFER_TOO_LARGE";
    if (tooLarge) throw messageTooLarge(messageBytesMax);
    throw new ConnectError("The message is not valid gzip", Code.InvalidArgument);
  }
}

function checkMessage(bytes: Buffer, contentType: string, method: DescMethod): void {
  if (/[/+]json\b/i.test(contentType)) checkJson(method.input, bytes);
  else decodeMessage(method.input, bytes);
}
