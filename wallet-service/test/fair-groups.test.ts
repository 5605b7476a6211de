import { v7 } from "uuid";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CommandOutcome } from "../src/command-outcome.ts";
import { transfer } from "../src/decide/command.ts";
import type { WalletEngine } from "../src/wallet-engine.ts";
import { amountOf, createEngineBed, type EngineBed, requestOf, walletWith } from "./test-engine.ts";

let bed: EngineBed;
let engine: WalletEngine;
beforeAll(async () => {
  bed = await createEngineBed();
  engine = bed.replica();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

const shareMax = 16;

function submitAs(
  caller: string,
  [from, to]: readonly [string, string],
  count: number,
): Promise<CommandOutcome>[] {
  const requests = Array.from({ length: count }, () => {
    return requestOf(transfer(from, to, amountOf("1")), v7());
  });
  return engine.groupCommit.submit(requests, Number.POSITIVE_INFINITY, caller);
}

function positionOf(outcome: CommandOutcome | undefined): bigint {
  if (outcome === undefined || "refusal" in outcome) throw new Error("The transfer was refused.");
  return outcome.answer.position;
}

test("one who sends thousands at once lets the others in after two groups", async () => {
  const pair = [await walletWith(engine, "100000"), await walletWith(engine, "100000")] as const;
  await Promise.all(submitAs("calm", pair, 1));
  const flood = submitAs("flood", pair, 3_000);
  const floodBegins = positionOf(await flood[0]);
  const [calm] = await Promise.all(submitAs("calm", pair, 1));
  const before = positionOf(calm) - floodBegins;
  expect(before).toBeLessThanOrEqual(BigInt(3 * shareMax));
  const positions = (await Promise.all(flood)).map(positionOf);
  expect(positions).toEqual(positions.toSorted((one, other) => Number(one - other)));
  expect(positions.at(-1)).toBeGreaterThan(positionOf(calm));
});

test("one caller fills half of the queue at most, and the others still find room", async () => {
  const pair = [await walletWith(engine, "100000"), await walletWith(engine, "100000")] as const;
  const flood = submitAs("flood", pair, 5_000);
  expect(() => submitAs("flood", pair, 1)).toThrow("waiting already; nothing was done");
  const [calm] = await Promise.all(submitAs("calm", pair, 1));
  expect(calm).toHaveProperty("answer");
  await Promise.all(flood);
  // What was answered waits no more.
  const [again] = await Promise.all(submitAs("flood", pair, 1));
  expect(again).toHaveProperty("answer");
});
