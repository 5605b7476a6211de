/** Lets so much go on at once; what is more waits, in the order in which it came. */
export interface Turns {
  /** Runs work when its turn has come; what counts as more than all has its turn alone. */
  run<T>(cost: number, work: (turn: Turn) => Promise<T>): Promise<T>;
}

/** What goes on. */
export interface Turn {
  /** Lets others go on while this waits for something; goes on in its turn. */
  pause<T>(wait: () => Promise<T>): Promise<T>;
}

/** @param most what all that goes on at once may count as, now */
export function createTurns(most: () => number): Turns {
  const waiting: { readonly cost: number; readonly start: () => void }[] = [];
  let running = 0;

  const fits = (cost: number): boolean => running === 0 || running + cost <= most();

  /** Undefined where it goes on at once, as most do: they need not wait for a promise. */
  function begin(cost: number): Promise<void> | undefined {
    if (waiting.length > 0 || !fits(cost)) {
      return new Promise((start) => {
        waiting.push({ cost, start });
      });
    }
    running += cost;
    return undefined;
  }

  function end(cost: number): void {
    running -= cost;
    for (let [first] = waiting; first !== undefined && fits(first.cost); [first] = waiting) {
      waiting.shift();
      running += first.cost;
      first.start();
    }
  }

  return {
    async run(cost, work) {
      const turn = begin(cost);
      if (turn !== undefined) await turn;
      try {
        return await work({
          pause: async (wait) => {
            end(cost);
            return await wait().finally(() => begin(cost));
          },
        });
      } finally {
        end(cost);
      }
    },
  };
}
