import type { Audit } from "./journal-audit.ts";
import type { Ledger } from "./ledger.ts";

/** A run's figures, so that one that exercised nothing is seen. */
export interface RunFigures {
  readonly transactions: number;
  readonly segments: number;
  readonly attempts: number;
  readonly readings: number;
  readonly acknowledged: number;
  /** Acknowledgements of what an earlier attempt had done. */
  readonly repeatsAnswered: number;
  readonly refused: Readonly<Record<string, number>>;
  /** As "code/reason". */
  readonly faults: Readonly<Record<string, number>>;
  readonly slowestCallMs: number;
}

/** Counts what happened in a run. */
export function figuresOf(audit: Audit, { attempts, readings }: Ledger): RunFigures {
  const committed = new Map(
    audit.events.map(({ event, committedAtMs }) => [event.transactionId, committedAtMs]),
  );
  const refused: Record<string, number> = {};
  const faults: Record<string, number> = {};
  let acknowledged = 0;
  let repeatsAnswered = 0;
  let slowestCallMs = 0;
  for (const { outcome, startMs, endMs } of attempts) {
    slowestCallMs = Math.max(slowestCallMs, endMs - startMs);
    if ("refused" in outcome) count(refused, outcome.refused);
    else if ("fault" in outcome) count(faults, `${outcome.fault.code}/${outcome.fault.reason}`);
    else {
      acknowledged += 1;
      const committedAtMs = committed.get(outcome.acknowledged.transactionId) ?? startMs;
      if (committedAtMs < startMs) repeatsAnswered += 1;
    }
  }
  return {
    transactions: audit.events.length,
    segments: audit.segments,
    attempts: attempts.length,
    readings: readings.length,
    acknowledged,
    repeatsAnswered,
    refused,
    faults,
    slowestCallMs,
  };
}

function count(counts: Record<string, number>, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}
