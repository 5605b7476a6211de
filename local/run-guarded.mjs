// Runs a program that must not outlive whoever started it: node run-guarded.mjs PROGRAM ARGS...
// A line on standard input asks the program to stop. The end of standard input, which comes however
// its holder dies, kills it.
import { spawn } from "node:child_process";

const [program, ...args] = process.argv.slice(2);
const child = spawn(program, args, { stdio: ["ignore", "inherit", "inherit"], windowsHide: true });

process.stdin.on("data", () => child.kill("SIGTERM"));
process.stdin.on("end", () => child.kill("SIGKILL"));
child.on("error", (error) => {
  process.stderr.write(`${program}: ${error.message}\n`);
  process.exit(1);
});
child.on("exit", (code) => process.exit(code ?? 1));
