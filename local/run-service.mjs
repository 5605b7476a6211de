// npm start -w SERVICE: installs what is missing, builds what is older than its sources, then runs
// the built service as it runs in production. A second argument names another program of it than
// main; what follows is handed to that.
import "./install-missing.mjs";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { runChild } from "./run-child.mjs";

const [, , service = "", program = "main", ...args] = process.argv;
const root = path.resolve(import.meta.dirname, "..");

const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
const build = spawnSync(process.execPath, [tsc, "-b", path.join(root, service)], {
  stdio: "inherit",
});
if (build.status === 0) {
  const file = path.join(root, service, "dist", `${program}.js`);
  runChild(["--enable-source-maps", file, ...args]);
} else {
  process.exitCode = 1;
}
