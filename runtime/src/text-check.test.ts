import { create } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { ErrorInfoSchema } from "@pelikuni/gen/google/rpc/error_details_pb";
import { WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { expect, test } from "vitest";
import { createTextCheck } from "./text-check.ts";

const check = createTextCheck(3);
const zero = "a\0b";
const lone = "a\uDC00b";

test("text in nested, repeated and chosen fields is found, with its path", () => {
  const event = create(WalletEventSchema, {
    requestId: "fine 💶",
    legs: [
      { from: { side: { case: "account", value: "external" } }, amount: "1.0000" },
      { from: { side: { case: "account", value: zero } }, currency: lone },
    ],
  });
  expect(check(WalletEventSchema, event)).toEqual([
    { field: "legs[1].from.account", description: "must not contain U+0000" },
    { field: "legs[1].currency", description: "must be Unicode, without lone surrogates" },
  ]);
});

test("keys and values of maps are text as well", () => {
  const info = create(ErrorInfoSchema, { metadata: { [lone]: "a", b: zero } });
  expect(check(ErrorInfoSchema, info).map(({ description }) => description)).toEqual([
    "must be Unicode, without lone surrogates",
    "must not contain U+0000",
  ]);
});

test("a message type that contains itself is followed as deep as it goes", () => {
  const inner = { fields: { text: { kind: { case: "stringValue" as const, value: zero } } } };
  const outer = create(StructSchema, {
    fields: { nested: { kind: { case: "structValue", value: inner } } },
  });
  expect(check(StructSchema, outer)).toEqual([
    {
      field: 'fields["nested"].struct_value.fields["text"].string_value',
      description: "must not contain U+0000",
    },
  ]);
});

test("no more is reported than asked for", () => {
  const legs = Array.from({ length: 10 }, () => ({ amount: zero }));
  expect(check(WalletEventSchema, create(WalletEventSchema, { legs }))).toHaveLength(3);
});
