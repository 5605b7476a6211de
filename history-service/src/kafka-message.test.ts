import { expect, test } from "vitest";
import { arrivedMessage } from "./kafka-message.ts";

type Headers = NonNullable<Parameters<typeof arrivedMessage>[2]["headers"]>;

function arrive(headers: Headers): ReturnType<typeof arrivedMessage> {
  const about = { key: null, timestamp: "0", attributes: 0, offset: "7" };
  return arrivedMessage("wallet-events", 3, { ...about, value: Buffer.from("event"), headers });
}

const hash = "0123456789abcdef".repeat(4);

test("a message says its position and its segment's hash in its headers", () => {
  expect(arrive({ position: Buffer.from("12"), journal_hash: Buffer.from(hash) })).toEqual({
    position: 12n,
    bytes: Buffer.from("event"),
    journalHash: Buffer.from(hash, "hex"),
    origin: { topic: "wallet-events", partition: 3, offset: 7n },
    confirmed: false,
  });
  expect(arrive({ position: "9223372036854775807" })).toMatchObject({
    position: 9_223_372_036_854_775_807n,
    journalHash: undefined,
  });
});

test("a header without a value is one that is not there", () => {
  const withoutValue: Headers = JSON.parse('{ "position": null, "journal_hash": null }');
  expect(arrive(withoutValue)).toMatchObject({ position: undefined, journalHash: undefined });
});

test.for(["", "0", "01", "-1", "1 ", "1e3", "9223372036854775808", "1".repeat(1_000)])(
  "%j is no position",
  (position) => {
    expect(arrive({ position }).position).toBeUndefined();
  },
);

test("a position that is given twice is none", () => {
  expect(arrive({ position: ["1", "2"] }).position).toBeUndefined();
});

test.for(["", "none", hash.slice(2), `${hash}zz`, `${hash}00`, hash.toUpperCase(), [hash, hash]])(
  "%j is no hash, and does not pass for a message without one",
  (given) => {
    expect(arrive({ position: "1", journal_hash: given }).journalHash).toHaveLength(0);
  },
);
