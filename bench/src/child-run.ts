import { fork } from "node:child_process";
import { type Run, runSchema } from "./measurement.ts";

/**
 * Measures in a process of its own, so that who makes the load does not slow who carries it.
 *
 * @param file a module of this directory that answers its first message with a Run
 * @param task that first message
 */
export async function runInChild(file: string, task: object): Promise<Run> {
  // The child gets the flags of this process, and with them its way to read TypeScript. In a session
  // of its own, since Linux shares processors between sessions: several loads are to be on a par.
  const child = fork(new URL(file, import.meta.url), {
    stdio: ["ignore", 2, 2, "ipc"],
    detached: true,
  });
  try {
    child.send(task);
    return await new Promise<Run>((resolve, reject) => {
      child.once("message", (message) => resolve(runSchema.parseAsync(message)));
      child.once("error", reject);
      child.once("exit", (code) => reject(new Error(`${file} ended with code ${code}.`)));
    });
  } finally {
    child.disconnect();
  }
}

/** The child's side: measures the one task that comes, sends the result and ends. */
export function answerTask(measure: (task: unknown) => Promise<Run>): void {
  // Nobody waits for the result of a run whose parent is gone.
  process.once("disconnect", () => process.exit());
  process.once("message", (task) => {
    // What fails here ends the process, and its parent says so.
    void measure(task).then((run) => process.send?.(run));
  });
}
