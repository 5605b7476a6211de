import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type ListWalletsResponse,
  ListWalletsResponseSchema,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { expect, test } from "vitest";
import { createAnswerEncoder } from "./answer-encoding.ts";

const encode = createAnswerEncoder(ListWalletsResponseSchema);

function answerWith(count: number): ListWalletsResponse {
  const wallets = Array.from({ length: count }, (_, index) => {
    return { id: `wallet ${index}`, version: BigInt(index), createTime: { seconds: 7n } };
  });
  return create(ListWalletsResponseSchema, { wallets, nextPageToken: "next" });
}

test.each([0, 1, 50, 51, 1_000])(
  "an answer with %i items is the same message, whole",
  async (count) => {
    const answer = answerWith(count);
    const bytes = await encode(answer);
    expect(fromBinary(ListWalletsResponseSchema, bytes)).toEqual(answer);
    expect(bytes.byteLength).toBe(toBinary(ListWalletsResponseSchema, answer).byteLength);
  },
);

test("other work goes on while a long answer is encoded, and not for a short one", async () => {
  expect(encode(answerWith(50))).toBeInstanceOf(Uint8Array);
  let turns = 0;
  const count = (): void => {
    turns += 1;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  await encode(answerWith(1_000));
  clearImmediate(next);
  expect(turns).toBeGreaterThanOrEqual(19);
});
