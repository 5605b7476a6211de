/** Keeps few calls of each caller at taking their messages, since what has arrived is kept. */
export interface Receptions {
  /**
   * Takes a call's message as soon as the caller has fewer others under way.
   *
   * @param take begins to take it; until then its bytes wait at the client
   * @param most how many of the caller's are taken at once
   * @returns what to call when the message is there, or the call is over; once or more
   */
  begin(caller: string, take: () => void, most: number): () => void;
}

/** How many messages of one caller are taken at once; those of the open caller all. */
export function receptionsMaxOf(principal: string): number {
  return principal === "" ? Number.POSITIVE_INFINITY : receptionsPerCallerMax;
}

const receptionsPerCallerMax = 64;

interface Lane {
  taking: number;
  readonly waiting: Set<() => void>;
}

/** Creates it with no call under way. */
export function createReceptions(): Receptions {
  const lanes = new Map<string, Lane>();

  function takeNext(caller: string, lane: Lane, most: number): void {
    for (const take of lane.waiting) {
      if (lane.taking >= most) return;
      lane.waiting.delete(take);
      lane.taking += 1;
      take();
    }
    if (lane.taking === 0) lanes.delete(caller);
  }

  return {
    begin(caller, take, most) {
      const lane = lanes.get(caller) ?? { taking: 0, waiting: new Set() };
      lanes.set(caller, lane);
      let over = false;
      // Of its own, so that the same function may be given twice.
      const own = (): void => take();
      lane.waiting.add(own);
      takeNext(caller, lane, most);
      return () => {
        if (over) return;
        over = true;
        if (!lane.waiting.delete(own)) lane.taking -= 1;
        takeNext(caller, lane, most);
      };
    },
  };
}
