import { isUtf8 } from "node:buffer";
import { type DescMessage, fromBinary, type Message } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { ConnectError } from "@connectrpc/connect";
import { innerFieldsMax, malformedMessage, requestFieldsMax, tooManyFields } from "./rpc-errors.ts";

// Any field takes two bytes at least, and so does what stands in an array of JSON.
const bytesPerFieldMin = 2;

/**
 * Decodes a request, unless it has more fields than the contract's rules let through anywhere: two
 * million empty items are four megabytes, four kilobytes compressed, and take many seconds.
 *
 * @throws ConnectError INVALID_ARGUMENT, RESOURCE_EXHAUSTED
 */
export function decodeMessage(schema: DescMessage, bytes: Uint8Array): Message {
  try {
    if (mayBeTooMany(bytes)) countFields(schema, bytes);
    return fromBinary(schema, bytes);
  } catch (fault) {
    throw fault instanceof ConnectError ? fault : malformedMessage(schema, fault);
  }
}

/** Refuses a request as JSON that must not be decoded; the same errors. */
export function checkJson(schema: DescMessage, bytes: Uint8Array): void {
  if (!isUtf8(bytes)) throw malformedMessage(schema, "the JSON is not UTF-8");
  if (mayBeTooMany(bytes)) countFieldsInJson(bytes);
}

function mayBeTooMany({ length }: Uint8Array): boolean {
  return length > innerFieldsMax * bytesPerFieldMin;
}

function countFields(schema: DescMessage, bytes: Uint8Array): void {
  let most = requestFieldsMax;
  let inner = 0;
  const count = ({ fields }: DescMessage, message: Uint8Array, isInner: boolean): void => {
    const reader = new BinaryReader(message);
    while (reader.pos < reader.len) {
      if (isInner) inner += 1;
      else {
        inner = 0;
        most -= 1;
      }
      if (most < 0 || inner > innerFieldsMax) throw tooManyFields();
      const [tag, wireType] = reader.tag();
      const field = fields.find(({ number }) => number === tag);
      // An entry of a map counts as one.
      const within = field?.fieldKind === "map" ? undefined : field?.message;
      if (within && wireType === WireType.LengthDelimited) count(within, reader.bytes(), true);
      else reader.skip(wireType, tag);
    }
  };
  count(schema, bytes, false);
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const openings: ReadonlySet<number | undefined> = new Set(Buffer.from("{["));
const closings: ReadonlySet<number | undefined> = new Set(Buffer.from("}]"));
/** In the message itself, or in a list of it. */
const outerDepth = 2;

function countFieldsInJson(bytes: Uint8Array): void {
  let outer = 0;
  let inner = 0;
  let depth = 0;
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index];
    if (byte === quote) index = endOfText(bytes, index);
    else if (closings.has(byte)) depth -= 1;
    else if (byte === comma || openings.has(byte)) {
      if (byte !== comma) depth += 1;
      inner = depth > outerDepth ? inner + 1 : 0;
      if (inner === 0) outer += 1;
      if (outer > requestFieldsMax || inner > innerFieldsMax) throw tooManyFields();
    }
  }
}

/** The index of the quote behind a text that begins at another one. */
function endOfText(bytes: Uint8Array, start: number): number {
  let index = start + 1;
  while (index < bytes.length && bytes[index] !== quote)
    index += bytes[index] === backslash ? 2 : 1;
  return index;
}
