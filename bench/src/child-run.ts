import { fork } from "node:child_process";
import { type Run, runSchema } from "./measurement.ts";

/** A process of its own that measures one task after another; disposing ends it. */
export interface LoadProcess extends Disposable {
  measure(task: object): Promise<Run>;
}

/**
 * Starts a process that measures, so that who makes the load does not slow who carries it.
 *
 * @param file a module of this directory that answers each message with a Run
 */
export function startLoad(file: string): LoadProcess {
  // The child gets the flags of this process, and with them its way to read TypeScript. In a session
  // of its own, since Linux shares processors between sessions: several loads are to be on a par.
  const child = fork(new URL(file, import.meta.url), {
    stdio: ["ignore", 2, 2, "ipc"],
    detached: true,
  });
  const ended = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${file} ended with code ${code}.`)));
  });
  // Nobody need measure when it ends.
  ended.catch(() => undefined);
  return {
    measure: async (task) => {
      const answer = new Promise((resolve) => child.once("message", resolve));
      child.send(task);
      return await runSchema.parseAsync(await Promise.race([answer, ended]));
    },
    [Symbol.dispose]: () => child.disconnect(),
  };
}

/** Measures one task in a process of its own. */
export async function runInChild(file: string, task: object): Promise<Run> {
  using load = startLoad(file);
  return await load.measure(task);
}

/** The child's side: measures each task that comes and sends the result, until its parent leaves. */
export function answerTasks(measure: (task: unknown) => Promise<Run>): void {
  // Nobody waits for the result of a run whose parent is gone.
  process.once("disconnect", () => process.exit());
  process.on("message", (task) => {
    // What fails here ends the process, and its parent says so.
    void measure(task).then((run) => process.send?.(run));
  });
}
