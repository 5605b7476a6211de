import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { auditDatabase } from "../src/journal-audit.ts";
import { createLedger } from "../src/ledger.ts";
import { auditLedger } from "../src/ledger-audit.ts";
import { type OwnPostgres, startOwnPostgres } from "../src/own-postgres.ts";
import { kindsOfCall, type Probe, startProbing } from "../src/prober.ts";
import { createReplicaBed, type ReplicaBed } from "../src/replica-bed.ts";
import { createWalletCaller, type WalletCaller } from "../src/wallet-caller.ts";

const promisedMs = 3_000;
const replicas = 2;
const walletCount = 10;
const walletUnits = 1_000_000n;
const faultsAllowed = new Set(["Unavailable/DATABASE_UNAVAILABLE", "Unavailable/OUTCOME_UNKNOWN"]);

let server: OwnPostgres;
let bed: ReplicaBed;
const ledger = createLedger();
let wallets: string[];

beforeAll(async () => {
  server = await startOwnPostgres();
  bed = await createReplicaBed(replicas, { database: server });
  const caller = createWalletCaller(bed.clients, ledger);
  wallets = await Promise.all(Array.from({ length: walletCount }, () => fundedWallet(caller)));
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

interface Outage {
  readonly begin: () => Promise<void>;
  readonly end: () => Promise<void>;
}

const outages: readonly [string, Outage][] = [
  [
    "refuses connections",
    { begin: () => bed.proxy.setMode("refuse"), end: () => bed.proxy.setMode("forward") },
  ],
  [
    "is behind a network that swallows every byte",
    { begin: () => bed.proxy.setMode("swallow"), end: () => bed.proxy.setMode("forward") },
  ],
  [
    "is behind a network that holds every byte back",
    { begin: () => bed.proxy.setMode("freeze"), end: () => bed.proxy.setMode("forward") },
  ],
  ["is frozen", { begin: () => server.freeze(), end: async () => server.thaw() }],
  ["was killed", { begin: () => server.kill(), end: () => server.start() }],
  [
    "is frozen, then killed",
    {
      begin: async () => {
        await server.freeze();
        await pause(promisedMs / 2);
        await server.kill();
      },
      end: () => server.start(),
    },
  ],
];

test.for(outages)(
  "while the database %s callers hear so in time, and it heals",
  async ([name, outage]) => {
    const pids = bed.replicas.map(({ pid }) => pid);
    const { probes, untilAllSucceed, stop } = startProbing(bed.clients, ledger, wallets);
    await untilAllSucceed();
    await outage.begin();
    const beganMs = performance.now();
    await pause(inject("replicaRunMs"));
    const endedMs = performance.now();
    await outage.end();
    const backMs = performance.now();
    await pause(promisedMs);
    await untilAllSucceed();
    await stop();

    tell(name, probes, backMs);
    const slow = probes.filter(({ startMs, endMs }) => endMs - startMs > promisedMs);
    expect(slow).toEqual([]);
    const wrong = probes.filter(({ fault }) => fault !== undefined && !faultsAllowed.has(fault));
    expect(wrong).toEqual([]);
    const during = probes.filter(({ startMs }) => startMs > beganMs && startMs < endedMs);
    expect(new Set(during.map(({ name }) => name)).size).toBe(kindsOfCall);
    expect(during.filter(({ fault, endMs }) => fault === undefined && endMs < endedMs)).toEqual([]);
    const late = probes.filter(({ startMs, fault }) => startMs > backMs + promisedMs && fault);
    expect(late).toEqual([]);
    expect(bed.replicas.map(({ pid, running }) => running && pid)).toEqual(pids);
  },
);

test("what was answered before, during and after the outages is what the journal says", async () => {
  const audit = await auditDatabase(bed.owner);
  expect(audit.findings).toEqual([]);
  expect(auditLedger(audit, ledger, faultsAllowed)).toEqual([]);
});

async function fundedWallet(caller: WalletCaller): Promise<string> {
  const creation = { kind: "create", requestId: randomUUID(), userId: "somebody" } as const;
  const created = await caller.attempt(creation, 0);
  const id = "acknowledged" in created ? created.acknowledged.wallets[0]?.id : undefined;
  if (id === undefined) throw new Error(`No wallet: ${JSON.stringify(created)}`);
  const requestId = randomUUID();
  await caller.attempt({ kind: "fund", requestId, to: id, units: walletUnits }, 0);
  return id;
}

function tell(name: string, probes: readonly Probe[], backMs: number): void {
  const faults: Record<string, number> = {};
  for (const { fault } of probes) if (fault) faults[fault] = (faults[fault] ?? 0) + 1;
  const slowestMs = Math.max(...probes.map(({ startMs, endMs }) => endMs - startMs));
  const lastFaultStartMs = Math.max(...probes.map(({ startMs, fault }) => (fault ? startMs : 0)));
  const healedAfterMs = Math.round(lastFaultStartMs - backMs);
  const figures = { name, calls: probes.length, faults, slowestMs, healedAfterMs };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
}
