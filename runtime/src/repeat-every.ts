/**
 * Does something once in every interval, beginning at a random moment of the first one, so that
 * replicas that started together do not act together. A round that takes longer skips the next ones.
 *
 * @param work one round; it ends early once the signal aborts, and does not throw
 * @returns disposing stops it, and waits for a round under way
 */
export function repeatEvery(
  intervalMs: number,
  work: (stop: AbortSignal) => Promise<void>,
): AsyncDisposable {
  const stop = new AbortController();
  let round: Promise<void> | undefined;

  function begin(): void {
    round ??= work(stop.signal).finally(() => {
      round = undefined;
    });
  }

  let timer = setTimeout(() => {
    begin();
    timer = setInterval(begin, intervalMs);
    timer.unref();
  }, Math.random() * intervalMs);
  timer.unref();
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      clearTimeout(timer);
      await round;
    },
  };
}
