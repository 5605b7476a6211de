import fc from "fast-check";
import { v7 } from "uuid";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { CommandOutcome } from "../src/command-outcome.ts";
import { formatAmount } from "../src/money.ts";
import type { WalletEngine } from "../src/wallet-engine.ts";
import { createEngineBed, type EngineBed, requestOf } from "./test-engine.ts";
import { type Expected, sentSteps, WalletModel, written } from "./wallet-model.ts";

let bed: EngineBed;
let replicas: WalletEngine[];
beforeAll(async () => {
  bed = await createEngineBed();
  const skewsMs = [0, 5_000, -5_000];
  replicas = skewsMs.map((skewMs) => bed.replica({ now: () => Date.now() + skewMs }));
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

/** Steps that go to one of three replicas as one group. */
const groups = fc.record({
  replica: fc.nat({ max: 2 }),
  steps: fc.array(sentSteps, { minLength: 1, maxLength: 6 }),
});

test("random commands over three replicas with wrong clocks answer as the model does", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(groups, { minLength: 1, maxLength: 12 }), async (history) => {
      const model = new WalletModel();
      // Keys are for ever, histories are not.
      const prefix = v7();
      for (const { replica, steps } of history) {
        const requests = [];
        const expected: string[] = [];
        for (const { step, requestId } of steps) {
          const command = model.commandOf(step, v7());
          requests.push(requestOf(command, requestId === "" ? "" : prefix + requestId));
          expected.push(expectation(model.expect(command, requestId)));
        }
        const outcomes = await Promise.all(
          replicas[replica]?.groupCommit.submit(requests, Number.POSITIVE_INFINITY) ?? [],
        );
        expect(outcomes.map(told)).toEqual(expected);
      }
      await expectTables(model);
    }),
    { numRuns: 60 },
  );
});

function expectation(expected: Expected): string {
  return "refused" in expected ? expected.refused : expected.balances.join();
}

function told(outcome: CommandOutcome): string {
  return "refusal" in outcome
    ? outcome.refusal.reason
    : outcome.answer.wallets.map(({ balance }) => formatAmount(balance)).join();
}

async function expectTables(model: WalletModel): Promise<void> {
  const rows = await bed.owner<{ id: string; balance: string; version: bigint }[]>`
    select id, balance, version from wallets where id in ${bed.owner([v7(), ...model.wallets.keys()])}`;
  const stored = rows.map(({ id, balance, version }) => [id, balance, version]);
  const modelled = [...model.wallets].map(([id, wallet]) => {
    return [id, written(wallet.units), wallet.version];
  });
  expect(new Set(stored)).toEqual(new Set(modelled));
}
