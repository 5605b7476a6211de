import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** A living process, told apart from a later one with the same number. */
export interface ProcessIdentity {
  /** Opaque; equal only for one and the same process. Empty where the system does not tell. */
  readonly startedAt: string;
  /** Program and arguments. Empty where the system does not tell. */
  readonly command: string;
}

/** Describes a living process; undefined when there is none of this number. */
export function identifyProcess(pid: number): ProcessIdentity | undefined {
  if (!isAlive(pid)) return undefined;
  if (process.platform === "linux") return readProc(pid);
  if (process.platform === "win32") return { startedAt: "", command: "" };
  const shown = spawnSync("ps", ["-o", "lstart=,args=", "-p", String(pid)], { encoding: "utf8" });
  const line = shown.stdout.trim();
  // lstart is always 24 characters: "Tue Nov 24 23:11:37 2026".
  return line === "" ? undefined : { startedAt: line.slice(0, 24), command: line.slice(25) };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function readProc(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The program's name may hold blanks and brackets: fields are counted behind its last bracket.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // A zombie is dead: only its parent has not asked yet.
    if (fields[0] === "Z") return undefined;
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
    return { startedAt: fields[19] ?? "", command };
  } catch {
    return undefined;
  }
}
