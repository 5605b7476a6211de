import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import type { PostgresUser } from "./postgres-place.ts";

/** A program of PostgreSQL, run to its end. */
export interface PostgresTool {
  readonly binaries: PostgresBinaries;
  readonly user: PostgresUser | undefined;
  readonly program: "initdb" | "pg_ctl" | "postgres";
  readonly args: readonly string[];
  /** Given to its standard input. */
  readonly input?: string;
}

/** Runs a program of PostgreSQL; throws with what it printed when it fails. */
export async function runPostgresTool(tool: PostgresTool): Promise<void> {
  const file = programPath(tool.binaries, tool.program);
  const child = spawn(file, [...tool.args], {
    ...tool.user,
    cwd: workingDirectory,
    // Its own process group: Ctrl-C in the terminal is for us, who then stop Postgres in order.
    detached: true,
    windowsHide: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  child.stdin.on("error", () => undefined);
  child.stdin.end(tool.input ?? "");
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${tool.program} failed (${code}): ${output.trim()}`);
}

/** The path of a program, which on Windows has an ending. */
export function programPath(binaries: PostgresBinaries, program: string): string {
  return path.join(binaries.directory, "bin", program);
}

/** A directory that every user can enter: the current one may be closed to Postgres' user. */
export const workingDirectory = path.parse(import.meta.dirname).root;
