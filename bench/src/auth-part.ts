import { startTokenIssuer } from "./bench-tokens.ts";
import { runInChild } from "./child-run.ts";
import type { LoadTask } from "./load.ts";
import type { Run } from "./measurement.ts";
import type { PartOptions } from "./part.ts";
import { type PartResult, type ResultRow, ratioOf, rowOf } from "./report.ts";
import { runInTurn, type Side } from "./rounds.ts";
import { createServedWallets, type ServedWallets } from "./served-wallets.ts";
import { startTwoServices, type WalletSystem } from "./server-kinds.ts";

const callers = 64;
/** As a multiple of the same without authentication. */
const floor = 0.85;
// The load is one caller's, and is to be slowed by nothing but the checks.
const unlimited = {
  APP__WALLET_SERVICE__LIMITS__CALLER_CALLS_PER_SECOND: "1000000",
  APP__WALLET_SERVICE__LIMITS__CALLER_BURST: "1000000",
};
const protocols = [
  { name: "gRPC", loadFile: "grpc-load.ts", portOf: ({ grpcPort }: WalletSystem) => grpcPort },
  { name: "REST", loadFile: "rest-load.ts", portOf: ({ restPort }: WalletSystem) => restPort },
];

interface AuthSystem {
  readonly name: string;
  readonly system: WalletSystem;
  readonly wallets: ServedWallets;
  readonly token?: string;
}

/** Measures what it costs to know who calls: transfers with authentication on, and with it off. */
export async function measureAuth(options: PartOptions): Promise<PartResult> {
  options.progress("auth: starting wallet-service and gateway twice, open and with an issuer");
  const { bed, rounds, signal } = options;
  await using issuer = await startTokenIssuer();
  const token = await issuer.issue("bench");
  const openDatabase = await bed.createWalletDatabase("bench_auth_off");
  const closedDatabase = await bed.createWalletDatabase("bench_auth_on");
  const environment = { ...issuer.environment, ...unlimited };
  await using off = await startTwoServices(openDatabase, signal);
  await using on = await startTwoServices(closedDatabase, signal, environment);
  await using offWallets = await createServedWallets(off.grpcPort);
  await using onWallets = await createServedWallets(on.grpcPort, token);
  const systems: AuthSystem[] = [
    { name: "open", system: off, wallets: offWallets },
    { name: "with tokens", system: on, wallets: onWallets, token },
  ];
  const rows: ResultRow[] = [];
  for (const protocol of protocols) {
    const sides = systems.map((one) => sideOf(protocol, one, options.durationMs));
    const progress = (line: string): void => options.progress(`auth: ${line}`);
    const runs = await runInTurn({ sides, rounds, progress, signal });
    const [openRuns = [], closedRuns = []] = sides.map(({ name }) => runs.get(name) ?? []);
    const [openName = "", closedName = ""] = sides.map(({ name }) => name);
    rows.push(rowOf("uniform", openName, openRuns));
    const ratio = ratioOf(closedRuns, [openRuns], openName, floor);
    rows.push(rowOf("uniform", closedName, closedRuns, ratio));
  }
  for (const { wallets } of systems) await wallets.check();
  return {
    part: "auth",
    rows,
    notes: [
      `Transfers by ${callers} callers, all with the same token where there are tokens (RS256), as ` +
        "a company's backend has one. The limits of one caller are out of the way.",
      "Money conserved, and each acknowledged transfer acted once.",
    ],
  };
}

function sideOf(
  { name, loadFile, portOf }: (typeof protocols)[number],
  { name: systemName, system, wallets, token }: AuthSystem,
  durationMs: number,
): Side {
  const task = { port: portOf(system), walletIds: [...wallets.ids], callers, durationMs, token };
  return {
    name: `${name}, ${systemName}`,
    run: async (): Promise<Run> => {
      const load = { ...task, workload: "uniform" } satisfies LoadTask;
      const run = await runInChild(loadFile, load);
      wallets.note(run);
      return run;
    },
  };
}
