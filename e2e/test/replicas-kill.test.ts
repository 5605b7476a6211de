import { randomInt } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { expect, inject, test } from "vitest";
import { createRandom } from "../src/random.ts";
import { createReplicaBed, type ReplicaBed } from "../src/replica-bed.ts";
import { runOnReplicas } from "../src/replica-run.ts";

const replicas = 3;
const seedsBelow = 1_000_000;
const killPauseMs = 500;
// What gRPC says by itself when the process behind a connection is gone: the outcome is unknown.
const faultsAllowed = new Set(["Unavailable/"]);

test.for([
  { shape: "many wallets", sharedWallets: 100 },
  { shape: "one hot pair of wallets", sharedWallets: 2 },
])("with replicas killed and restarted, every request on $shape acts once", async (load) => {
  await using bed = await createReplicaBed(replicas);
  const seed = randomInt(seedsBelow);
  let kills = 0;
  const { findings, figures } = await runOnReplicas(bed, {
    durationMs: inject("replicaRunMs"),
    sharedWallets: load.sharedWallets,
    seed,
    faultsAllowed,
    disturb: async (over) => {
      kills = await killReplicas(bed, seed, over);
    },
  });
  expect(findings, `seed ${seed}`).toEqual([]);
  expect(kills).toBeGreaterThan(0);
  expect(figures.faults["Unavailable/"]).toBeGreaterThan(0);
});

/** Kills one replica after the other, each once the one before is back. */
async function killReplicas(bed: ReplicaBed, seed: number, over: AbortSignal): Promise<number> {
  const random = createRandom(seed);
  let kills = 0;
  for (;;) {
    await pause(killPauseMs + random.integer(killPauseMs));
    if (over.aborted) return kills;
    await bed.killAndRestart(random.integer(bed.replicas.length));
    kills += 1;
  }
}
