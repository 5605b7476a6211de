import { setTimeout as delay } from "node:timers/promises";
import { startTokenIssuer, type TokenIssuer } from "./bench-tokens.ts";
import type { CalmTask } from "./calm-load.ts";
import { type LoadProcess, runInChild, startLoad } from "./child-run.ts";
import type { FloodTask } from "./flood-load.ts";
import { type Run, spreadOf } from "./measurement.ts";
import type { PartOptions } from "./part.ts";
import { type PartResult, type ResultRow, rowOf } from "./report.ts";
import { runInTurn, type Side } from "./rounds.ts";
import { createServedWallets, type ServedWallets } from "./served-wallets.ts";
import { startTwoServices, type WalletSystem } from "./server-kinds.ts";

const calmPerSecond = 200;
const floodCallers = 400;
/** How much longer the calls of the calm client may take, beside a flood. */
const p99TimesMax = 2;
// The calm client begins when the flood has used what it may do at once.
const floodAheadMs = 2_000;
const floodBehindMs = 4_000;
const protocols = ["gRPC", "REST"] as const;

interface Flood {
  readonly name: string;
  readonly request: FloodTask["request"];
  readonly callers: number;
  readonly forged?: boolean;
}

const floods: readonly Flood[] = [
  // What the share of the processors alone does, that every flood's own program takes.
  { name: "a program that asks for nothing", request: "nothing", callers: 1 },
  { name: "transfers over gRPC", request: "transfers", callers: floodCallers },
  { name: "transfers over REST", request: "REST transfers", callers: floodCallers },
  { name: "batches of 1,000", request: "batches", callers: 16 },
  { name: "pages of 1,000 wallets", request: "pages", callers: 64 },
  { name: "forged tokens", request: "transfers", callers: floodCallers, forged: true },
];

/** Measures a client with few calls, alone and beside one that asks for all it can get. */
export async function measureFlood(options: PartOptions): Promise<PartResult> {
  options.progress("flood: starting an issuer of tokens, the wallet-service and the gateway");
  const { rounds, signal } = options;
  await using issuer = await startTokenIssuer();
  const database = await options.bed.createWalletDatabase("bench_flood");
  await using system = await startTwoServices(database, signal, issuer.environment);
  await using wallets = await createServedWallets(system.grpcPort, await issuer.issue("setup"));
  const rows: ResultRow[] = [];
  const notes: string[] = [];
  for (const protocol of protocols) {
    const got = new Map<string, Run[]>();
    // One process all the time, as clients are: its code is compiled once.
    using calm = startLoad("calm-load.ts");
    const bed = { system, wallets, issuer, options, calm };
    const alone: Side = { name: `${protocol}, alone`, run: () => runCalm(protocol, bed) };
    const beside = floods.map((flood): Side => {
      const name = `${protocol}, beside ${flood.name}`;
      return { name, run: () => runBeside(protocol, flood, bed, (run) => note(got, name, run)) };
    });
    const progress = (line: string): void => options.progress(`flood: ${line}`);
    // What every process does for the first time takes longer.
    options.progress(`flood: warming up for ${protocol}`);
    for (const side of [alone, ...beside.slice(1, 3)]) await side.run();
    got.clear();
    const runs = await runInTurn({ sides: [alone, ...beside], rounds, progress, signal });
    rows.push(...rowsOf(alone.name, runs));
    notes.push(...[...got].map(([name, of]) => describeFlood(name, of)));
    await wallets.check();
  }
  return {
    part: "flood",
    rows,
    notes: [
      `The calm client makes ${calmPerSecond} transfers a second by a clock, whether or not earlier ones were ` +
        "answered; none of them may fail. Both clients have tokens of their own, and the limits are the defaults.",
      `A flood calls again as soon as it is answered: ${floodCallers} callers over 8 connections of gRPC or 400 of ` +
        "HTTP, batches 16 and pages 64; it does not wait when it is told to.",
      "The program that asks for nothing computes half of the time: what it does to the calm client comes from sharing " +
        "the processors, as each flood's own program does, and not from the services.",
      ...notes,
      "Money conserved, and each acknowledged transfer of both clients acted once.",
    ],
  };
}

interface FloodBed {
  readonly system: WalletSystem;
  readonly wallets: ServedWallets;
  readonly issuer: TokenIssuer;
  readonly options: PartOptions;
  readonly calm: LoadProcess;
}

async function runCalm(
  protocol: CalmTask["protocol"],
  { system, wallets, issuer, options: { durationMs }, calm }: FloodBed,
): Promise<Run> {
  const run = await calm.measure({
    protocol,
    port: protocol === "gRPC" ? system.grpcPort : system.restPort,
    token: await issuer.issue("calm"),
    walletIds: [...wallets.ids],
    perSecond: calmPerSecond,
    durationMs,
  } satisfies CalmTask);
  wallets.note(run);
  return run;
}

async function runBeside(
  protocol: CalmTask["protocol"],
  { request, callers, forged = false }: Flood,
  bed: FloodBed,
  onFlood: (run: Run) => void,
): Promise<Run> {
  const { system, wallets, issuer, options } = bed;
  const token = forged ? await issuer.forge("flood") : await issuer.issue("flood");
  const flooding = runInChild("flood-load.ts", {
    request,
    port: request === "REST transfers" ? system.restPort : system.grpcPort,
    token,
    walletIds: [...wallets.ids],
    callers,
    durationMs: floodAheadMs + options.durationMs + floodBehindMs,
  } satisfies FloodTask);
  const [flood, calm] = await Promise.all([
    flooding,
    delay(floodAheadMs).then(() => runCalm(protocol, bed)),
  ]);
  if (request === "nothing") return calm;
  onFlood(flood);
  // Pages are read, and move nothing.
  if (request !== "pages") wallets.note(flood);
  return calm;
}

function note(got: Map<string, Run[]>, name: string, run: Run): void {
  got.set(name, [...(got.get(name) ?? []), run]);
}

function rowsOf(aloneName: string, runs: ReadonlyMap<string, readonly Run[]>): ResultRow[] {
  const aloneRuns = runs.get(aloneName) ?? [];
  return [...runs].map(([name, own]) => {
    const row = rowOf("uniform", name, own);
    if (name === aloneName) return row;
    const times = spreadOf(own.map(({ p99Ms = 0 }, round) => p99Ms / p99Of(aloneRuns[round])));
    const target = { name: `p99 at most ${p99TimesMax}x`, met: times.median <= p99TimesMax };
    return { ...row, ratio: { to: "p99 alone", times }, target };
  });
}

function p99Of(run: Run | undefined): number {
  if (run?.p99Ms === undefined) throw new Error("A run beside a flood has none alone.");
  return run.p99Ms;
}

function describeFlood(name: string, runs: readonly Run[]): string {
  const got = Math.round(spreadOf(runs.map(({ perSecond }) => perSecond)).median);
  const refused = Math.round(spreadOf(runs.map((run) => run.refusedPerSecond ?? 0)).median);
  return `${name}: the flood got ${count(got)} a second, and ${count(refused)} refusals.`;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
