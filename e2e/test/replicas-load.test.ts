import { randomInt } from "node:crypto";
import { expect, inject, test } from "vitest";
import { createReplicaBed } from "../src/replica-bed.ts";
import { runOnReplicas } from "../src/replica-run.ts";

const replicas = 3;
const seedsBelow = 1_000_000;

test.for([
  { shape: "many wallets", sharedWallets: 100 },
  { shape: "one hot pair of wallets", sharedWallets: 2 },
])("64 callers over three replicas on $shape see nothing but the truth", async (load) => {
  await using bed = await createReplicaBed(replicas);
  const seed = randomInt(seedsBelow);
  const { findings, figures } = await runOnReplicas(bed, {
    durationMs: inject("replicaRunMs"),
    sharedWallets: load.sharedWallets,
    seed,
    faultsAllowed: new Set(),
  });
  expect(findings, `seed ${seed}`).toEqual([]);
  expect(bed.logCounts().get("debug: A group lost a race.") ?? 0).toBeGreaterThan(0);
  expect(figures.repeatsAnswered).toBeGreaterThan(0);
});
