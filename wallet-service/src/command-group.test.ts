import fc from "fast-check";
import { expect, inject, test } from "vitest";
import { EventAudit } from "../test/event-audit.ts";
import { type Lag, MemoryLedger } from "../test/memory-ledger.ts";
import { createStepRequests, type ModelRequest } from "../test/model-requests.ts";
import { WalletModel } from "../test/wallet-model.ts";
import { openingGroups, type SentStep, sentSteps } from "../test/wallet-steps.ts";
import type { Request } from "./command-group.ts";
import { fund, transfer } from "./decide/command.ts";
import { parseAmount, zero } from "./money.ts";
import { requestKey } from "./request-key.ts";

/** Steps that are decided together, and on what. */
interface Group {
  readonly steps: readonly SentStep[];
  /** How much time has passed since the group before. */
  readonly laterMs: number;
  /** How far the clock of the replica that decides is ahead. */
  readonly aheadMs: number;
  readonly lag: Lag;
}

const noLag: Lag = { wallets: 0, holds: 0, reversals: 0, metadata: 0 };
const lags = fc.nat({ max: 2 });
const groups: fc.Arbitrary<Group> = fc.record({
  steps: fc.array(sentSteps, { minLength: 1, maxLength: 6, size: "max" }),
  laterMs: fc.nat({ max: 4_000 }),
  aheadMs: fc.constantFrom(0, 0, 5_000, -5_000),
  lag: fc.oneof(
    fc.constant(noLag),
    fc.record({ wallets: lags, holds: lags, reversals: lags, metadata: lags }),
  ),
});
const histories = fc.array(groups, { minLength: 2, maxLength: 12, size: "max" });

class Play {
  readonly ledger = new MemoryLedger();
  readonly model = new WalletModel();
  readonly #audit = new EventAudit();
  readonly #requests = createStepRequests(this.model);
  #nowMs = 1_764_000_000_000;
  #ids = 0;

  /** Sends steps as a group; it must answer as the model does one by one. */
  send({ steps, laterMs, aheadMs, lag }: Group): void {
    this.#nowMs += laterMs;
    const sent = steps.map((step) => {
      this.#ids += 1;
      return this.#requests.requestOf(step, `id-${this.#ids}`, this.#nowMs);
    });
    const decidedMs = this.#nowMs + aheadMs;
    const eventsBefore = this.ledger.events.length;
    const outcomes = this.ledger.run(sent.map(requestOf), decidedMs, lag);
    const expected = sent.map((request) => this.model.expect(request.command, request, decidedMs));
    expect(outcomes).toEqual(expected.map((one) => ("refused" in one ? one.refused : one.answer)));
    const fresh = this.ledger.events.slice(eventsBefore);
    for (const bytes of fresh) this.#audit.take(bytes);
    this.model.learn(fresh.map((bytes) => this.ledger.transactionIdOf(bytes)));
  }

  /** Compares what is there in the end. */
  end(): void {
    this.#audit.compare(this.ledger.tables());
  }
}

function requestOf({ command, requestId, reference }: ModelRequest): Request {
  const details = reference === "" ? undefined : { reference, description: "", metadata: {} };
  const key = requestId === "" ? undefined : requestKey("", requestId, command, details);
  return { command, details, requestId, requestKey: key };
}

/** Groups that are decided on what is current. */
const opening = openingGroups.map(
  (steps): Group => ({ steps, laterMs: 0, aheadMs: 0, lag: noLag }),
);

test("groups of all operations answer like one after the other, and keep every invariant", () => {
  fc.assert(
    fc.property(histories, (history) => {
      const play = new Play();
      for (const group of [...opening, ...history]) play.send(group);
      play.end();
    }),
    { numRuns: inject("groupHistories") },
  );
}, 1_200_000);

test("what requests looked at is compared, absent wallets and those of refusals too", () => {
  const ledger = new MemoryLedger();
  const plain = (command: Request["command"]): Request => ({ command, requestId: "" });
  const nowMs = 1_764_000_000_000;
  const one = parseAmount("1") ?? zero;
  ledger.run([plain({ kind: "createWallet", walletId: "a", userId: "u", currency: "USD" })], nowMs);
  const commands = [transfer("a", "absent", one), fund("gone", one)];
  const { toCommit } = ledger.decide(commands.map(plain), nowMs);
  expect(toCommit.eventCount).toBe(0);
  expect(toCommit.seen.map(({ id, state }) => [id, state?.version])).toEqual([
    ["a", 0n],
    ["absent", undefined],
    ["gone", undefined],
  ]);
});
