import { type ChildProcessByStdio, spawn } from "node:child_process";
import path from "node:path";
import type { Readable } from "node:stream";

/** A Node program that serves. */
export interface ServerOptions {
  /** What to call it in messages. */
  readonly name: string;
  /** Flags, file and arguments of Node. */
  readonly args: readonly string[];
  /** Its environment variables; it inherits none. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Matches what it prints once it serves. */
  readonly ready: RegExp;
  /** Ends the wait for it. */
  readonly signal: AbortSignal;
}

/** A server in a process of its own; disposing stops it in order. */
export interface ServerProcess extends AsyncDisposable {
  /** The groups of what was printed. */
  readonly told: readonly string[];
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** Where the project lies. */
export const projectDirectory = path.resolve(import.meta.dirname, "../..");

const startDeadlineMs = 60_000;
const outputKeptMax = 10_000;

/**
 * Starts a server and waits until it serves.
 *
 * @throws Error with what it printed when it ends instead, or takes a minute
 */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const child = spawn(process.execPath, options.args, {
    cwd: projectDirectory,
    env: { PATH: "", ...options.environment },
    // Its own process group: Ctrl-C in the terminal is for us, who then stop it in order.
    detached: true,
    windowsHide: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const terminate = (): void => {
    child.kill("SIGTERM");
  };
  process.once("exit", terminate);
  const stop = async (): Promise<void> => {
    terminate();
    await closed;
    process.off("exit", terminate);
  };
  try {
    const { told, complain } = await waitUntilReady(child, options);
    return {
      told,
      [Symbol.asyncDispose]: async () => {
        child.off("close", complain);
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function waitUntilReady(
  child: Child,
  { name, ready, signal }: ServerOptions,
): Promise<{ told: readonly string[]; complain: () => void }> {
  let output = "";
  const failure = (what: string): Error => new Error(`${name} ${what}:\n${output}`);
  const complain = (): void => {
    process.stderr.write(`${failure("ended unexpectedly").message}\n`);
  };
  const told = await new Promise<readonly string[]>((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-outputKeptMax);
      const match = ready.exec(output);
      if (match !== null) resolve(match.slice(1));
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("error", reject);
    child.once("close", () => reject(failure("did not start")));
    const giveUp = (): void => reject(failure("does not serve yet"));
    AbortSignal.any([signal, AbortSignal.timeout(startDeadlineMs)]).addEventListener(
      "abort",
      giveUp,
    );
    if (signal.aborted) giveUp();
  });
  child.once("close", complain);
  return { told, complain };
}
