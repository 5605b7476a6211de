import { create, fromJson, toBinary, toJsonString } from "@bufbuild/protobuf";
import {
  BatchTransferRequestSchema,
  type TransferRequestSchema,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { expect, test } from "vitest";
import { checkJson, decodeMessage } from "./message-decoding.ts";

const schema = BatchTransferRequestSchema;
const tooMany = /more than 5000 fields and items, or more than 200 within one/;

test("a message of two million empty items is refused in a moment", () => {
  const bytes = Buffer.alloc(4_194_302);
  for (let index = 0; index < bytes.length; index += 2) bytes[index] = 0x0a;
  const startMs = performance.now();
  expect(() => decodeMessage(schema, bytes)).toThrow(tooMany);
  expect(performance.now() - startMs).toBeLessThan(500);
});

test("many fields inside one item count as well", () => {
  const pairs = Buffer.alloc(402);
  for (let index = 0; index < pairs.length; index += 2) pairs[index] = 0x1a;
  const wrap = (tag: number, inner: Buffer): Buffer => {
    return Buffer.concat([Buffer.of(tag, (inner.length & 0x7f) | 0x80, inner.length >> 7), inner]);
  };
  const details = schema.field.transfers.message?.fields.find(({ name }) => name === "details");
  const item = wrap(((details?.number ?? 0) << 3) | 2, pairs);
  expect(() => decodeMessage(schema, wrap(0x0a, item))).toThrow(tooMany);
});

test.each([
  ["empty objects", `{"transfers":[${"{},".repeat(5_000)}{}]}`],
  ["fields", `{${'"a":1,'.repeat(5_000)}"b":1}`],
  ["within an item", `{"transfers":[{"details":{"metadata":{${'"a":"",'.repeat(200)}"b":""}}}]}`],
  ["behind a text with quotes", `{"a":"\\"[\\\\","b":[${"0,".repeat(5_000)}0]}`],
  ["deep in each other", "[".repeat(1_000)],
])("JSON of very many fields is refused: %s", (_, text) => {
  expect(() => checkJson(schema, Buffer.from(text))).toThrow(tooMany);
});

test("the largest batch that the contract's rules let through is let through, whatever is in its texts", () => {
  const metadata = Object.fromEntries(
    Array.from({ length: 16 }, (_, index) => [`key-${index}`, '"{[,'.repeat(20)]),
  );
  const transfer: Parameters<typeof create<typeof TransferRequestSchema>>[1] = {
    fromWalletId: "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1",
    toWalletId: "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a2",
    amount: "1.0000",
    expectedVersion: 7n,
    requestId: "request",
    details: { reference: "reference", description: "description", metadata },
  };
  const batch = create(schema, { transfers: Array.from({ length: 1_000 }, () => transfer) });
  expect(decodeMessage(schema, toBinary(schema, batch))).toEqual(batch);
  const json = toJsonString(schema, batch);
  expect(() => checkJson(schema, Buffer.from(json))).not.toThrow();
  expect(fromJson(schema, JSON.parse(json))).toEqual(batch);
});
