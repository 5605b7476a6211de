// npm start -w SERVICE: installs what is missing, builds what is older than its sources, then runs
// the built service as it runs in production.
import "./install-missing.mjs";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { runChild } from "./run-child.mjs";

const service = process.argv[2] ?? "";
const root = path.resolve(import.meta.dirname, "..");

const tsc = path.join(root, "node_modules", "typescript", "bin", "tsc");
const build = spawnSync(process.execPath, [tsc, "-b", path.join(root, service)], {
  stdio: "inherit",
});
if (build.status === 0) {
  runChild(["--enable-source-maps", path.join(root, service, "dist", "main.js")]);
} else {
  process.exitCode = 1;
}
