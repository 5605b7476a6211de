import type { IHeaders, KafkaMessage } from "kafkajs";
import type { ArrivedMessage } from "./parked-event-store.ts";

const positionPattern = /^[1-9][0-9]{0,18}$/;
const positionMax = 2n ** 63n - 1n;

/** A message of the topic as it arrived, with what its headers say of it. */
export function arrivedMessage(
  topic: string,
  partition: number,
  { offset, value, headers = {} }: KafkaMessage,
): ArrivedMessage {
  const position = headerText(headers, "position");
  const journalHash = headerText(headers, "journal_hash");
  return {
    position: position === undefined ? undefined : parsePosition(position),
    bytes: value ?? new Uint8Array(),
    // What is no hexadecimal text becomes bytes that are no hash.
    journalHash: journalHash === undefined ? undefined : Buffer.from(journalHash, "hex"),
    origin: { topic, partition, offset: BigInt(offset) },
  };
}

function parsePosition(text: string): bigint | undefined {
  if (!positionPattern.test(text)) return undefined;
  const position = BigInt(text);
  return position <= positionMax ? position : undefined;
}

/** A header that stands there once; one that stands there twice says nothing. */
function headerText(headers: IHeaders, name: string): string | undefined {
  const value = headers[name];
  return value === undefined || Array.isArray(value) ? undefined : value.toString();
}
