/** Knows whether a caller is alone: then he need not share. */
export interface RecentCallers {
  /** Notes that a caller asks for something. */
  note(caller: string, nowMs: number): void;
  /** Whether another one than this caller has asked for something a moment ago. */
  hasOthersThan(caller: string | undefined, nowMs: number): boolean;
}

// One who calls twice a second is another one all the time.
const recentMs = 1_000;

/** Begins without any; times are on the clock of `performance.now()`. */
export function createRecentCallers(): RecentCallers {
  let last = { caller: "", seenMs: Number.NEGATIVE_INFINITY };
  // The one before among those that differ: whoever is asked about, one of the two is another.
  let other = last;
  return {
    note(caller, nowMs) {
      if (caller !== last.caller) other = last;
      last = { caller, seenMs: nowMs };
    },
    hasOthersThan(caller, nowMs) {
      const { seenMs } = last.caller === caller ? other : last;
      return nowMs - seenMs < recentMs;
    },
  };
}
