/** What keeps the source of events from being read. */
export interface SourceFailure {
  readonly reason: string;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
}

/** Whether the source of events can be read at present. */
export interface SourceHealth {
  /** Undefined while it can be read. */
  readonly failure: SourceFailure | undefined;
  failed(error: unknown): void;
  works(): void;
}

const reasonLengthMax = 500;

/** @param now the wall clock, milliseconds since 1970 */
export function createSourceHealth(now: () => number): SourceHealth {
  let failure: SourceFailure | undefined;
  return {
    get failure() {
      return failure;
    },
    failed(error) {
      const reason = String(error).slice(0, reasonLengthMax);
      failure = { reason, sinceMs: failure?.sinceMs ?? now() };
    },
    works() {
      failure = undefined;
    },
  };
}
