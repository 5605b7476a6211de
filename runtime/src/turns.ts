/** Lets so much go on at once; what is more waits, in the order in which it came. */
export interface Turns {
  /** Runs work when its turn has come; what counts as more than all has its turn alone. */
  run<T>(cost: number, work: () => Promise<T>): Promise<T>;
  /** Whether nothing goes on, nor waits. */
  isIdle(): boolean;
}

/** @param most what all that goes on at once may count as, now */
export function createTurns(most: () => number): Turns {
  const waiting: { readonly cost: number; readonly start: () => void }[] = [];
  let running = 0;

  const fits = (cost: number): boolean => running === 0 || running + cost <= most();

  function startWaiting(): void {
    for (let [first] = waiting; first !== undefined && fits(first.cost); [first] = waiting) {
      waiting.shift();
      running += first.cost;
      first.start();
    }
  }

  return {
    async run(cost, work) {
      if (waiting.length === 0 && fits(cost)) running += cost;
      else {
        await new Promise<void>((start) => {
          waiting.push({ cost, start });
        });
      }
      try {
        return await work();
      } finally {
        running -= cost;
        startWaiting();
      }
    },
    isIdle: () => running === 0 && waiting.length === 0,
  };
}
