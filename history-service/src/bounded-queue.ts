/** A queue between one writer and one reader, who each wait for the other. */
export interface BoundedQueue<T> {
  /** Appends; resolves once there is room for the next one. */
  put(item: T): Promise<void>;
  /** Takes up to so many; waits for the first. Empty once the queue is closed and drained. */
  take(countMax: number): Promise<T[]>;
  /** No more will come. */
  close(): void;
}

/** Creates a queue that holds so many items before its writer has to wait. */
export function createBoundedQueue<T>(lengthMax: number): BoundedQueue<T> {
  const items: T[] = [];
  let closed = false;
  let wakeReader = (): void => undefined;
  let wakeWriter = (): void => undefined;

  return {
    async put(item) {
      items.push(item);
      wakeReader();
      if (items.length < lengthMax || closed) return;
      await new Promise<void>((resolve) => {
        wakeWriter = resolve;
      });
    },
    async take(countMax) {
      if (items.length === 0 && !closed) {
        await new Promise<void>((resolve) => {
          wakeReader = resolve;
        });
      }
      const taken = items.splice(0, countMax);
      if (items.length < lengthMax) wakeWriter();
      return taken;
    },
    close() {
      closed = true;
      wakeReader();
      wakeWriter();
    },
  };
}
