import { create, type DescMessage, type Message, toBinary } from "@bufbuild/protobuf";
import { sliceLength, slicesOf } from "./slices.ts";

/** Makes the bytes of answers: at once, or of a long list slice by slice. */
export type EncodeAnswer = (answer: Message) => Uint8Array | Promise<Uint8Array>;

/**
 * Encodes the answers of one type. A thousand wallets take ten milliseconds, which other calls need
 * not wait for: encoded messages one behind the other are one message with the items of all of them.
 */
export function createAnswerEncoder(type: DescMessage): EncodeAnswer {
  const lists = type.fields.filter(({ fieldKind }) => fieldKind === "list");

  async function encodeSlices(
    answer: Message,
    name: string,
    items: readonly unknown[],
  ): Promise<Uint8Array> {
    const parts = [toBinary(type, { ...answer, [name]: [] })];
    for await (const slice of slicesOf(items)) {
      parts.push(toBinary(type, { ...create(type), [name]: slice }));
    }
    return Buffer.concat(parts);
  }

  return (answer) => {
    for (const { localName } of lists) {
      const items: unknown = Reflect.get(answer, localName);
      const isLong = Array.isArray(items) && items.length > sliceLength;
      if (isLong) return encodeSlices(answer, localName, items);
    }
    return toBinary(type, answer);
  };
}
