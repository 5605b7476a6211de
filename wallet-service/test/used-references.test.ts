import { expect, test } from "vitest";
import type { Request } from "../src/command-group.ts";
import { fund, transfer } from "../src/decide/command.ts";
import { amountOf, createEngineBed, walletWith } from "./test-engine.ts";

const reports = 8;

/** A payment that a provider reports, at the version that the caller has seen. */
function report(walletId: string, number: number, version?: bigint): Request {
  const details = { reference: `payment ${number}`, description: "", metadata: {} };
  return { command: fund(walletId, amountOf("1"), version), details, requestId: "" };
}

test("payments reported again with the version seen are refused each, and keep nobody waiting", async () => {
  await using bed = await createEngineBed();
  const engine = bed.replica();
  const [walletId, from, to] = [
    await walletWith(engine, "1"),
    await walletWith(engine, "9"),
    await walletWith(engine, "9"),
  ];
  const numbers = Array.from({ length: reports }, (_, number) => number);
  const first = numbers.map((number) => report(walletId, number));
  await Promise.all(engine.groupCommit.submit(first, Number.POSITIVE_INFINITY));
  const version = BigInt(1 + reports);
  const again = numbers.map((number) => report(walletId, number, version));
  const neighbour: Request = { command: transfer(from, to, amountOf("1")), requestId: "" };
  const outcomes = await Promise.all(
    engine.groupCommit.submit([...again, neighbour], Number.POSITIVE_INFINITY),
  );
  const told = outcomes.map((outcome) => ("refusal" in outcome ? outcome.refusal.reason : "done"));
  expect(told).toEqual([...numbers.map(() => "REFERENCE_ALREADY_USED"), "done"]);
});
