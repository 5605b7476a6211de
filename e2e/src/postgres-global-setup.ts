import { spawn } from "node:child_process";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { startEmbeddedPostgres } from "@pelikuni/local/embedded-postgres";
import { findPostgresPlace } from "@pelikuni/local/postgres-place";
import { readTestServers } from "@pelikuni/runtime/configuration";
import { createLogger } from "@pelikuni/runtime/logger";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  // Vitest's own interface, extended by the values that this setup provides.
  interface ProvidedContext {
    postgresUrl: string;
    runDirectory: string;
  }
}

const janitor = path.resolve(import.meta.dirname, "../clean-up-test-run.mjs");

/**
 * Starts one Postgres for the whole test run and removes it afterwards; with DATABASE_URL set,
 * that server is used instead. When the run is killed, a janitor process removes what it left.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const runDirectory = await mkdtemp(path.join(tmpdir(), "pelikuni-test-"));
  // Postgres may run as another user, who has to get in.
  await chmod(runDirectory, 0o755);
  const directory = path.join(runDirectory, "postgres");
  const directories = [runDirectory, findPostgresPlace(directory).directory];
  watchOverRun(directories);
  project.provide("runDirectory", runDirectory);
  const stopServer = await provideServer(project, directory);
  return async () => {
    await stopServer();
    for (const each of directories) await rm(each, { recursive: true, force: true });
  };
}

async function provideServer(
  project: TestProject,
  directory: string,
): Promise<() => Promise<void>> {
  const { databaseUrl } = readTestServers();
  if (databaseUrl !== undefined) {
    project.provide("postgresUrl", databaseUrl);
    return async () => undefined;
  }
  const logger = createLogger("test postgres", { level: "warn", format: "pretty" });
  const server = await startEmbeddedPostgres({ directory, logger });
  project.provide("postgresUrl", server.ownerUrl("postgres"));
  return async () => {
    await server[Symbol.asyncDispose]();
  };
}

/** The janitor's input ends when this process does, however it dies. */
function watchOverRun(directories: readonly string[]): void {
  const child = spawn(process.execPath, [janitor, ...directories], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
  });
  child.unref();
  if ("unref" in child.stdin && typeof child.stdin.unref === "function") child.stdin.unref();
}
