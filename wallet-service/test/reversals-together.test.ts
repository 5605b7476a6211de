import { v7 } from "uuid";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fund } from "../src/decide/command.ts";
import {
  accepted,
  amountOf,
  balanceOf,
  createEngineBed,
  type EngineBed,
  requestOf,
  submit,
  walletWith,
} from "./test-engine.ts";

let bed: EngineBed;

beforeAll(async () => {
  bed = await createEngineBed();
});
afterAll(() => bed[Symbol.asyncDispose]());

test("transactions of many groups are reversed together", async () => {
  const engine = bed.replica();
  const walletId = await walletWith(engine);
  const transactionIds: string[] = [];
  for (let turn = 1; turn <= 11; turn += 1) {
    const { transactionId } = await accepted(engine, fund(walletId, amountOf(String(turn))));
    transactionIds.push(transactionId);
  }
  const [segments] = await bed.owner<{ count: number }[]>`select count(*)::int from journal`;
  expect(segments?.count).toBe(12);
  const requests = transactionIds.map((transactionId) =>
    requestOf({ kind: "reverseTransaction", transactionId, legs: [] }),
  );
  const outcomes = await Promise.all(engine.groupCommit.submit(requests, Infinity));
  expect(outcomes.filter((outcome) => "answer" in outcome)).toHaveLength(11);
  expect(await balanceOf(bed, walletId)).toBe("0.0000");
  const unknown = { kind: "reverseTransaction", transactionId: v7(), legs: [] } as const;
  expect(await submit(engine, unknown)).toMatchObject({
    refusal: { reason: "TRANSACTION_NOT_FOUND" },
  });
});
