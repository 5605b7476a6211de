// Installs the project's dependencies when they are not those of package-lock.json.
// Plain JavaScript without dependencies: it runs before anything is installed.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";

const root = path.resolve(import.meta.dirname ?? ".", "..");

requireNode(20, 19);
if (!isInstalled()) install();

function requireNode(major, minor) {
  const [ownMajor, ownMinor] = process.versions.node.split(".").map(Number);
  if (ownMajor > major || (ownMajor === major && ownMinor >= minor)) return;
  fail(`Pelikuni needs Node ${major}.${minor} or later; this is Node ${process.versions.node}.`);
}

/** Compares what npm noted as installed with what the project asks for. */
function isInstalled() {
  const installed = readPackages("node_modules/.package-lock.json");
  return Object.entries(readPackages("package-lock.json")).every(
    ([place, { version, optional }]) => {
      // Packages for other systems are optional, and absent here.
      if (!place.includes("node_modules/") || (optional && !(place in installed))) return true;
      return place in installed && installed[place].version === version;
    },
  );
}

function readPackages(file) {
  try {
    return JSON.parse(readFileSync(path.join(root, file), "utf8")).packages;
  } catch {
    return {};
  }
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
