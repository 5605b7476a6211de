import { loadConfiguration } from "./configuration.ts";
import { createLogger, type Logger, logSchema, redactUrlPasswords } from "./logger.ts";
import { OperatorError } from "./operator-error.ts";

/** How a process starts and stops. */
export interface ProcessOptions {
  /** The name that its log lines carry. */
  readonly name: string;
  /** How long a stop may take, in milliseconds, before it is forced. */
  readonly stopDeadlineMs: number;
  /** Starts everything; what it returns is disposed when the process is asked to stop. */
  readonly start: (logger: Logger) => Promise<AsyncDisposable>;
}

/**
 * Runs a process until SIGTERM or SIGINT, then disposes what was started and lets the event loop
 * run empty (exit code 0). A second signal, or a stop past its deadline, forces exit code 1.
 * A start that fails sets exit code 1; what the operator can mend is told without a stack.
 */
export async function runUntilSignal(options: ProcessOptions): Promise<void> {
  let logger: Logger;
  try {
    logger = createLogger(options.name, loadConfiguration("log", logSchema));
  } catch (error) {
    process.stderr.write(`${describeStartFailure(error)}\n`);
    process.exitCode = 1;
    return;
  }
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
    logger.debug({ error }, "Failed");
    process.stderr.write(`${redactUrlPasswords(describeStartFailure(error))}\n`);
    process.exitCode = 1;
    forceAfter(options.stopDeadlineMs, logger).unref();
  } finally {
    signals.release();
  }
}

function listenForSignals(logger: Logger): { first: Promise<string>; release: () => void } {
  const { promise: first, resolve } = withResolvers<string>();
  let asked = false;
  const receive = (signal: string): void => {
    if (asked) {
      logger.warn({ signal }, "Second signal: stopping at once");
      process.exit(1);
    }
    asked = true;
    resolve(signal);
  };
  process.on("SIGTERM", receive);
  process.on("SIGINT", receive);
  const release = (): void => {
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

function describeStartFailure(error: unknown): string {
  if (error instanceof OperatorError) return error.message;
  if (!(error instanceof Error)) return String(error);
  // The system's own refusals (EADDRINUSE, EACCES, ECONNREFUSED) name what they are about.
  if ("syscall" in error) return error.message;
  return error.stack ?? error.message;
}
