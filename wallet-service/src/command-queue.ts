import { createRecentCallers } from "@pelikuni/runtime/recent-callers";

/** Commands that wait, kept apart by who sent them, so that nobody waits for all of another's. */
export interface CommandQueue<Waiting> {
  /** How many wait. */
  readonly length: number;
  /**
   * @param caller whose they are; empty for the service's own, and where nobody has to say who he is
   * @param nowMs on the clock of `performance.now()`
   */
  push(caller: string, waiting: readonly Waiting[], nowMs: number): void;
  /** Takes what is to be committed together, each caller's in their order. */
  takeGroup(nowMs: number): Waiting[];
  takeAll(): Waiting[];
}

/** How much one group holds. */
export interface GroupSize {
  readonly eventsMax: number;
  /** Of all events together; a group of a single event may have more. */
  readonly bytesMax: number;
  /** Events of one caller while there are others, who wait for the group that is under way. */
  readonly eventsPerCallerMax: number;
}

/**
 * Creates an empty queue.
 *
 * Callers take turns, each with all that he may have in a group: whoever comes along waits for two
 * groups, however much another one has sent. A caller alone has whole groups.
 *
 * @param bytesOf about how many bytes the event takes
 */
export function createCommandQueue<Waiting>(
  { eventsMax, bytesMax, eventsPerCallerMax }: GroupSize,
  bytesOf: (waiting: Waiting) => number,
): CommandQueue<Waiting> {
  // In the order of their turns; a caller with nothing to do has no lane.
  const lanes = new Map<string, Waiting[]>();
  let length = 0;
  const recent = createRecentCallers();

  /** Whether somebody else than the one who waits, waits too or sent something a moment ago. */
  function hasOthers(nowMs: number): boolean {
    const [one, other] = [...lanes.keys()].filter((caller) => caller !== "");
    return other !== undefined || recent.hasOthersThan(one, nowMs);
  }

  return {
    get length() {
      return length;
    },
    push(caller, waiting, nowMs) {
      if (waiting.length === 0) return;
      if (caller !== "") recent.note(caller, nowMs);
      length += waiting.length;
      const lane = lanes.get(caller);
      if (lane === undefined) lanes.set(caller, [...waiting]);
      else for (const one of waiting) lane.push(one);
    },
    takeGroup(nowMs) {
      const shareMax = hasOthers(nowMs) ? eventsPerCallerMax : eventsMax;
      const group: Waiting[] = [];
      let bytes = 0;
      for (const [caller, lane] of [...lanes]) {
        const start = group.length;
        let isFull = false;
        for (const next of lane.slice(0, shareMax)) {
          bytes += bytesOf(next);
          isFull = group.length === eventsMax || (group.length > 0 && bytes > bytesMax);
          if (isFull) break;
          group.push(next);
        }
        // Whoever has more to do goes on behind the others.
        const left = lane.slice(group.length - start);
        if (left.length < lane.length) lanes.delete(caller);
        if (left.length > 0) lanes.set(caller, left);
        if (isFull) break;
      }
      length -= group.length;
      return group;
    },
    takeAll() {
      const all = [...lanes.values()].flat();
      lanes.clear();
      length = 0;
      return all;
    },
  };
}
