import type { IHeaders, KafkaMessage } from "kafkajs";
import type { ArrivedMessage } from "./parked-event-store.ts";

const positionPattern = /^[1-9][0-9]{0,18}$/;
const hashPattern = /^[0-9a-f]{64}$/;
const positionMax = 2n ** 63n - 1n;

/** A message of the topic as it arrived, with what its headers say of it. */
export function arrivedMessage(
  topic: string,
  partition: number,
  { offset, value, headers = {} }: KafkaMessage,
): ArrivedMessage {
  return {
    position: parsePosition(headerText(headers, "position")),
    bytes: value ?? new Uint8Array(),
    journalHash: parseHash(headerText(headers, "journal_hash")),
    origin: { topic, partition, offset: BigInt(offset) },
    confirmed: false,
  };
}

function parsePosition(text: string | undefined): bigint | undefined {
  if (text === undefined || !positionPattern.test(text)) return undefined;
  const position = BigInt(text);
  return position <= positionMax ? position : undefined;
}

/** What is no hash becomes bytes that are none: the message must not pass for one without a hash. */
function parseHash(text: string | undefined): Uint8Array | undefined {
  if (text === undefined) return undefined;
  return hashPattern.test(text) ? Buffer.from(text, "hex") : new Uint8Array();
}

/**
 * A header's text; undefined when it is not there, or has no value. One that stands there twice
 * contradicts itself, and reads as one that makes no sense.
 */
function headerText(headers: IHeaders, name: string): string | undefined {
  // The types of kafkajs do not say that a header may have no value.
  const value: IHeaders[string] | null = headers[name];
  if (value === undefined || value === null) return undefined;
  return Array.isArray(value) ? "" : value.toString();
}
