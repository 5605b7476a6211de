/**
 * The same messages until the signal is aborted; from then on the reader gets the signal's reason
 * as an error at once, even where the source ignores the signal. The source is ended then, also
 * when the reader never asks again: one that writes to a client may wait for him for ever.
 * @param onEnd called once when the messages have ended, failed, or are no longer read
 * @param toError turns what the source threw into what the reader gets
 */
export function untilAborted<T>(
  source: AsyncIterable<T>,
  signal: AbortSignal,
  onEnd: () => void,
  toError: (fault: unknown) => Error,
): AsyncIterable<T> {
  const iterator = source[Symbol.asyncIterator]();
  let closed = false;
  let told = false;

  const close = (): void => {
    if (closed) return;
    closed = true;
    signal.removeEventListener("abort", close);
    onEnd();
    // The source may be in the middle of a wait that it never ends; nobody waits for it to notice.
    iterator.return?.().catch(() => undefined);
  };
  // The reader knows that it is over.
  const end = (): void => {
    told = true;
    close();
  };

  if (signal.aborted) close();
  else signal.addEventListener("abort", close, { once: true });

  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        if (told) return { done: true, value: undefined };
        try {
          const result = await nextOrAbort(iterator, signal);
          if (result.done === true) end();
          return result;
        } catch (fault) {
          const error = toError(signal.aborted ? signal.reason : fault);
          end();
          throw error;
        }
      },
      return: async () => {
        end();
        return { done: true, value: undefined };
      },
    }),
  };
}

// A listener for each message rather than one promise for all: racing against a promise that
// outlives the stream would keep every message's reaction in memory.
function nextOrAbort<T>(
  iterator: AsyncIterator<T>,
  signal: AbortSignal,
): Promise<IteratorResult<T>> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener("abort", onAbort, { once: true });
    iterator
      .next()
      .then(resolve, reject)
      .finally(() => signal.removeEventListener("abort", onAbort));
  });
}
