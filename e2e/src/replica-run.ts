import { type Audit, auditDatabase } from "./journal-audit.ts";
import { createLedger } from "./ledger.ts";
import { auditLedger } from "./ledger-audit.ts";
import { type LoadOptions, runLoad } from "./load.ts";
import type { ReplicaBed } from "./replica-bed.ts";
import { figuresOf, type RunFigures } from "./run-report.ts";
import { createWalletCaller } from "./wallet-caller.ts";

declare module "vitest" {
  // Vitest's own interface, extended by what vitest.config.ts provides.
  interface ProvidedContext {
    /** How long a run takes, in milliseconds: longer in `npm run soak` than in `npm test`. */
    replicaRunMs: number;
    /** The same of the run in which relay, Kafka and history are disturbed in turn. */
    chaosRunMs: number;
  }
}

/** What to run, and what may go wrong in it. */
export interface RunOptions extends Pick<LoadOptions, "durationMs" | "sharedWallets" | "seed"> {
  /** Faults that callers may be answered, as "code/reason"; they then repeat elsewhere. */
  readonly faultsAllowed: ReadonlySet<string>;
  /** Runs beside the load until the signal says that it is over. */
  readonly disturb?: (over: AbortSignal) => Promise<void>;
}

/** What a run came to. */
export interface RunOutcome {
  /** Everything that was wrong; empty when all is well. */
  readonly findings: readonly string[];
  readonly figures: RunFigures;
  /** What the wallet-service's database was found to hold. */
  readonly audit: Audit;
}

const callers = 64;

/** Runs the load over all replicas, then audits the database and every answer. */
export async function runOnReplicas(bed: ReplicaBed, options: RunOptions): Promise<RunOutcome> {
  const ledger = createLedger();
  const over = new AbortController();
  const load = runLoad({
    ...options,
    caller: createWalletCaller(bed.clients, ledger),
    replicas: bed.clients.length,
    callers,
    repeats: options.faultsAllowed.size > 0,
  }).finally(() => over.abort());
  await Promise.all([load, options.disturb?.(over.signal)]);
  // One snapshot: a transaction of a killed replica may still be on its way.
  const audit = await bed.owner.begin("isolation level repeatable read read only", auditDatabase);
  const findings = [...audit.findings, ...auditLedger(audit, ledger, options.faultsAllowed)];
  for (const [text, times] of bed.logCounts()) {
    if (/^(crash|error|fatal):/.test(text)) findings.push(`${times} times in the logs: ${text}`);
  }
  const figures = figuresOf(audit, ledger);
  tell(options, figures, bed.logCounts(), findings.length);
  return { findings, figures, audit };
}

function tell(
  { seed, durationMs, sharedWallets }: RunOptions,
  figures: RunFigures,
  logCounts: ReadonlyMap<string, number>,
  findings: number,
): void {
  const run = { seed, durationMs, sharedWallets, findings };
  const report = { ...run, ...figures, logged: Object.fromEntries(logCounts) };
  process.stdout.write(`${JSON.stringify(report, undefined, 2)}\n`);
}
