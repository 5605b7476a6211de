// Installs the project's dependencies when they are missing or older than package-lock.json.
// Plain JavaScript without dependencies: it runs before anything is installed.
import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname ?? ".", "..");

requireNode(20, 19);
if (modifiedMs("node_modules/.package-lock.json") < modifiedMs("package-lock.json")) install();

function requireNode(major, minor) {
  const [ownMajor, ownMinor] = process.versions.node.split(".").map(Number);
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return;
  fail(`Pelikuni needs Node ${major}.${minor} or later; this is Node ${process.versions.node}.`);
}

function modifiedMs(file) {
  return statSync(path.join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

function install() {
  process.stdout.write(
    "Installing dependencies (npm ci); this takes a moment the first time ...\n",
  );
  const startMs = performance.now();
  const { npm_config_workspace: _, npm_config_workspaces: __, ...environment } = process.env;
  // Inside an npm script npm tells where it is; otherwise it is looked for on the path.
  const npm = process.env.npm_execpath;
  const [program, ...args] = npm === undefined ? ["npm"] : [process.execPath, npm];
  const { status, error } = spawnSync(program, [...args, "ci", "--no-audit", "--no-fund"], {
    cwd: root,
    env: environment,
    stdio: "inherit",
    shell: npm === undefined && process.platform === "win32",
  });
  if (error !== undefined) fail(`npm could not be run: ${error.message}`);
  if (status !== 0) fail("npm ci failed; its reason stands above.");
  const seconds = Math.round((performance.now() - startMs) / 1000);
  process.stdout.write(`Installed in ${seconds} s.\n`);
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
