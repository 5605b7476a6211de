// One Ctrl-C arrives twice: from the terminal, and from the launcher.
const sameSignalMs = 500;

/**
 * Listens for SIGINT and SIGTERM for as long as the process lives.
 *
 * @returns what the first one aborts, so that everything is cleaned up; a second one ends the
 * process at once
 */
export function listenForInterruption(): AbortSignal {
  const interruption = new AbortController();
  let firstMs = 0;
  const receive = (name: string): void => {
    if (!interruption.signal.aborted) {
      firstMs = performance.now();
      process.exitCode = name === "SIGINT" ? 130 : 143;
      process.stderr.write("Interrupted: cleaning up\n");
      interruption.abort();
    } else if (performance.now() - firstMs > sameSignalMs) {
      process.exit();
    }
  };
  process.on("SIGINT", receive);
  process.on("SIGTERM", receive);
  return interruption.signal;
}
