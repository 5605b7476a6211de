import { loadConfiguration } from "./configuration.ts";
import { createLogger, type Logger, logSchema } from "./logger.ts";
import { OperatorError } from "./operator-error.ts";
import { redactSecrets } from "./redaction.ts";

/** How a process starts and stops. */
export interface ProcessOptions {
  /** The name that its log lines carry. */
  readonly name: string;
  /** How long a stop may take, in milliseconds, before it is forced. */
  readonly stopDeadlineMs: number;
  /** Starts everything; what it returns is disposed when the process is asked to stop. */
  readonly start: (logger: Logger) => Promise<AsyncDisposable>;
}

// One Ctrl-C can arrive several times: from the terminal, from npm, and from a launcher.
const sameSignalMs = 500;
const exitAfterFailureMs = 1_000;
const keepAliveIntervalMs = 60_000;

/**
 * Runs a process until SIGTERM or SIGINT, then disposes what was started and lets the event loop
 * run empty (exit code 0). A second signal, or a stop past its deadline, forces exit code 1.
 * A start that fails ends with exit code 1; what the operator can mend is told without a stack.
 * The logger is made from the configuration section `log`.
 */
export async function runUntilSignal(options: ProcessOptions): Promise<void> {
  const logger = tryCreateLogger(options.name);
  if (logger === undefined) return;
  const signals = listenForSignals(logger);
  try {
    // A signal during the start lets it finish: half of a start cannot be stopped in order.
    const running = await options.start(logger);
    const signal = await signals.first;
    logger.info({ signal }, "Stopping");
    const deadline = forceAfter(options.stopDeadlineMs, logger);
    await running[Symbol.asyncDispose]();
    // What still holds the event loop, if anything, is cut off by the deadline.
    deadline.unref();
    logger.info("Stopped");
  } catch (error) {
    tellFailure(error, logger);
    process.exitCode = 1;
    // What a failed start left open must not keep the process alive.
    setTimeout(() => process.exit(), exitAfterFailureMs).unref();
  } finally {
    signals.release();
  }
}

function listenForSignals(logger: Logger): { first: Promise<string>; release: () => void } {
  const { promise: first, resolve } = withResolvers<string>();
  let firstMs: number | undefined;
  // Listening for signals alone does not keep a process alive.
  const alive = setInterval(() => undefined, keepAliveIntervalMs);
  const receive = (signal: string): void => {
    if (firstMs === undefined) {
      firstMs = performance.now();
      resolve(signal);
    } else if (performance.now() - firstMs > sameSignalMs) {
      logger.warn({ signal }, "Second signal: stopping at once");
      process.exit(1);
    }
  };
  // Whoever read the log is gone: nobody would see an error, so that it ends in order.
  const loseOutput = (): void => {
    if (firstMs === undefined) receive("end of standard output");
  };
  process.stdout.on("error", loseOutput);
  process.on("SIGTERM", receive);
  process.on("SIGINT", receive);
  const release = (): void => {
    clearInterval(alive);
    process.off("SIGTERM", receive);
    process.off("SIGINT", receive);
  };
  return { first, release };
}

// Node 20 has no Promise.withResolvers.
function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

function forceAfter(deadlineMs: number, logger: Logger): NodeJS.Timeout {
  return setTimeout(() => {
    logger.error({ deadlineMs }, "Not stopped within the deadline: forced");
    process.exit(1);
  }, deadlineMs);
}

function tryCreateLogger(name: string): Logger | undefined {
  try {
    return createLogger(name, loadConfiguration("log", logSchema));
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
    return undefined;
  }
}

function tellFailure(error: unknown, logger: Logger): void {
  if (error instanceof OperatorError) {
    process.stderr.write(`${redactSecrets(error.message)}\n`);
  } else {
    logger.fatal({ error }, "Failed");
  }
}
