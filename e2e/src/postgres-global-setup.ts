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
  }
}

const janitor = path.resolve(import.meta.dirname, "../remove-test-postgres.mjs");

/**
 * Starts one Postgres for the whole test run and removes it afterwards; with DATABASE_URL set,
 * that server is used instead. When the run dies, a janitor process removes what it left.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const url = readTestServers().databaseUrl;
  if (url !== undefined) {
    project.provide("postgresUrl", url);
    return async () => undefined;
  }
  const directory = await mkdtemp(path.join(tmpdir(), "pelikuni-test-"));
  await chmod(directory, 0o755);
  const directories = [...new Set([findPostgresPlace(directory).directory, directory])];
  watchOverRun(directories);
  const server = await startEmbeddedPostgres({
    directory,
    logger: createLogger("test postgres", { level: "warn", format: "pretty" }),
  });
  project.provide("postgresUrl", server.ownerUrl("postgres"));
  return async () => {
    await server[Symbol.asyncDispose]();
    for (const each of directories) await rm(each, { recursive: true, force: true });
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
