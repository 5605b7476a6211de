import { randomInt } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { HistoryService } from "@pelikuni/gen/history/v1/history_service_pb";
import { expect, inject, test } from "vitest";
import { startHistory, transportTo } from "../src/history-bed.ts";
import { auditDatabase } from "../src/journal-audit.ts";
import { runOperations } from "../src/operations-load.ts";
import { createReplicaBed, type ReplicaBed } from "../src/replica-bed.ts";
import { createTestDatabase } from "../src/test-database.ts";

const replicas = 2;
const callers = 64;
const seedsBelow = 1_000_000;
const killPauseMs = 1_500;
const timeout = 60_000;

const operations = [
  ...["create", "fund", "transfer", "withdraw", "post", "reverse", "placeHold", "captureHold"],
  ...["releaseHold", "freeze", "unfreeze", "close", "update"],
];

test("every operation at once over replicas that are killed: books balance, history is whole", async () => {
  await using bed = await createReplicaBed(replicas);
  const seed = randomInt(seedsBelow);
  const over = new AbortController();
  const load = runOperations({
    clients: bed.clients,
    callers,
    durationMs: inject("replicaRunMs"),
    wallets: 40,
    seed,
  }).finally(() => over.abort());
  const [outcome] = await Promise.all([load, killReplicas(bed, over.signal)]);
  // Holds that are due when the load ends are expired meanwhile, or stay open: both are right.
  const audit = await bed.owner.begin("isolation level repeatable read read only", auditDatabase);
  expect([...outcome.findings, ...audit.findings], `seed ${seed}`).toEqual([]);
  const counts = Object.fromEntries(outcome.counts);
  process.stdout.write(`${JSON.stringify({ seed, events: audit.events.length, counts })}\n`);
  // A machine under load does not get to the rarest of them.
  expect(operations.filter((operation) => operation in counts).length).toBeGreaterThan(7);
  const known = new Set(audit.events.map(({ event }) => event.transactionId));
  expect([...outcome.acknowledged].filter((id) => !known.has(id))).toEqual([]);
  await expectWholeHistory(bed, BigInt(audit.events.length));
});

async function killReplicas(bed: ReplicaBed, over: AbortSignal): Promise<void> {
  for (let number = 0; ; number = (number + 1) % bed.replicas.length) {
    await pause(killPauseMs);
    if (over.aborted) return;
    await bed.killAndRestart(number);
  }
}

async function expectWholeHistory(bed: ReplicaBed, atLeast: bigint): Promise<void> {
  await using database = await createTestDatabase();
  const walletGrpcPort = bed.replicas[0]?.grpcPort ?? 0;
  await using service = await startHistory(database, { walletGrpcPort });
  await using transport = transportTo(service.grpcPort);
  const history = createClient(HistoryService, transport);
  const completeTo = async (): Promise<bigint> => (await history.getCompleteness({})).completeTo;
  await expect.poll(completeTo, { timeout }).toBeGreaterThanOrEqual(atLeast);
  for await (const message of history.verifyJournal({})) expect(message.findingCount).toBe(0n);
  for await (const { result } of history.reconcile({})) {
    if (result.case !== "summary") throw new Error(`A wallet differs: ${result.value?.walletId}`);
    expect(result.value.differenceCount).toBe(0n);
    expect(result.value.currencySums).toEqual([
      expect.objectContaining({ currency: "USD", sum: "0.0000" }),
    ]);
  }
}
