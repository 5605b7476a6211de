// Runs a Node process in place of this one: same input and output, signals passed on, same end.
import { spawn } from "node:child_process";

// A group's objects die with it. With Node's 16 MB for young objects many are copied first: a fifth
// of the engine's time went there.
const memoryFlag = "--max-semi-space-size=64";

/** Runs node with these arguments; this process ends as that one does. */
export function runChild(args) {
  const child = spawn(process.execPath, [memoryFlag, ...args], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  });
  child.on("exit", (code, signal) => {
    // A shell tells a death by signal in the same way.
    process.exitCode = code ?? (signal === "SIGKILL" ? 137 : 1);
  });
}
