import fc from "fast-check";
import { v7 } from "uuid";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import type { CommandOutcome } from "../src/command-outcome.ts";
import type { WalletEngine } from "../src/wallet-engine.ts";
import { openBooks } from "./books.ts";
import { createStepRequests } from "./model-requests.ts";
import { createEngineBed, type EngineBed, requestOf } from "./test-engine.ts";
import { told, WalletModel } from "./wallet-model.ts";
import { openingGroups, type SentStep, sentSteps } from "./wallet-steps.ts";

const aheadMs = [0, 5_000, -5_000];

let bed: EngineBed;
let replicas: WalletEngine[];
let nowMs = Date.now();
beforeAll(async () => {
  bed = await createEngineBed();
  replicas = aheadMs.map((ahead) => bed.replica({ now: () => nowMs + ahead }));
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

/** Steps that go to one of three replicas as one group. */
interface Group {
  readonly replica: number;
  readonly steps: readonly SentStep[];
  /** How much time has passed since the group before. */
  readonly laterMs: number;
}

const groups: fc.Arbitrary<Group> = fc.record({
  replica: fc.nat({ max: 2 }),
  steps: fc.array(sentSteps, { minLength: 1, maxLength: 6, size: "max" }),
  laterMs: fc.nat({ max: 4_000 }),
});
const histories = fc.array(groups, { minLength: 1, maxLength: 14, size: "max" });
const opening = openingGroups.map((steps, replica): Group => ({ replica, steps, laterMs: 0 }));

test("random operations over three replicas with wrong clocks answer as the model does", async () => {
  const books = openBooks(bed);
  await fc.assert(
    fc.asyncProperty(histories, async (history) => {
      await play([...opening, ...history]);
      await books.check();
    }),
    { numRuns: inject("replicaHistories") },
  );
}, 1_200_000);

/** Sends groups one after the other; each must answer as the model does. */
async function play(history: readonly Group[]): Promise<void> {
  const model = new WalletModel();
  const steps = createStepRequests(model);
  // Keys and references are for ever, histories are not.
  const prefix = v7();
  for (const { replica, steps: sent, laterMs } of history) {
    nowMs += laterMs;
    const modelled = sent.map((step) => {
      const { requestId, reference, ...request } = steps.requestOf(step, v7(), nowMs);
      return {
        ...request,
        requestId: requestId === "" ? "" : prefix + requestId,
        reference: reference === "" ? "" : prefix + reference,
      };
    });
    const decidedMs = nowMs + (aheadMs[replica] ?? 0);
    const expected = modelled.map((one) => model.expect(one.command, one, decidedMs));
    const requests = modelled.map(({ command, requestId, reference }) => {
      const details = reference === "" ? undefined : { reference, description: "", metadata: {} };
      return requestOf(command, requestId, details);
    });
    const submitted = replicas[replica]?.groupCommit.submit(requests, Number.POSITIVE_INFINITY);
    const outcomes = await Promise.all(submitted ?? []);
    expect(outcomes.map(outcomeOf)).toEqual(
      expected.map((one) => ("refused" in one ? one.refused : one.answer)),
    );
    model.learn(
      outcomes.flatMap((outcome) => ("answer" in outcome ? [outcome.answer.transactionId] : [])),
    );
  }
}

function outcomeOf(outcome: CommandOutcome): string {
  return "refusal" in outcome ? outcome.refusal.reason : told(outcome.answer);
}
