import { randomInt } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { expect, inject, test } from "vitest";
import { createRandom } from "../src/random.ts";
import { createReplicaBed, type ReplicaBed } from "../src/replica-bed.ts";
import { runOnReplicas } from "../src/replica-run.ts";

const replicas = 3;
const seedsBelow = 1_000_000;
const cutPauseMaxMs = 120;
const faultsAllowed = new Set(["Unavailable/DATABASE_UNAVAILABLE", "Unavailable/OUTCOME_UNKNOWN"]);

test.for([
  { shape: "many wallets", sharedWallets: 100 },
  { shape: "one hot pair of wallets", sharedWallets: 2 },
])(
  "with connections to Postgres cut at random, every request on $shape acts once",
  async (load) => {
    await using bed = await createReplicaBed(replicas);
    const seed = randomInt(seedsBelow);
    const { findings, figures } = await runOnReplicas(bed, {
      durationMs: inject("replicaRunMs"),
      sharedWallets: load.sharedWallets,
      seed,
      faultsAllowed,
      disturb: (over) => cutConnections(bed, seed, over),
    });
    expect(findings, `seed ${seed}`).toEqual([]);
    expect(figures.faults["Unavailable/OUTCOME_UNKNOWN"]).toBeGreaterThan(0);
    expect(bed.logCounts().get("debug: A group met taken request keys.") ?? 0).toBeGreaterThan(0);
  },
);

async function cutConnections(
  { proxy }: ReplicaBed,
  seed: number,
  over: AbortSignal,
): Promise<void> {
  const random = createRandom(seed);
  while (!over.aborted) {
    proxy.cut(random.integer(proxy.connections), random.chance(0.5) ? "both" : "answers");
    await pause(random.integer(cutPauseMaxMs));
  }
}
