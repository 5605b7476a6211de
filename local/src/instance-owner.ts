import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { OperatorError } from "@pelikuni/runtime/operator-error";
import { identifyProcess } from "./process-identity.ts";

const claimAttemptsMax = 3;

/**
 * Makes this process the only one that works in `directory`, until it releases it or dies.
 *
 * @throws OperatorError "already running, pid N" when another living process has it
 */
export function claimDirectory(directory: string): { release: () => void } {
  const file = path.join(directory, "owner.json");
  const startedAt = identifyProcess(process.pid)?.startedAt ?? "";
  const mine = JSON.stringify({ pid: process.pid, startedAt });
  for (let attempt = 1; attempt <= claimAttemptsMax; attempt += 1) {
    const partial = `${file}.${process.pid}`;
    writeFileSync(partial, mine, { mode: 0o600 });
    try {
      // A link appears with its content and only where no file is: nobody sees half of it.
      linkSync(partial, file);
      return { release: () => removeIfMine(file, mine) };
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      const owner = readLivingOwner(file);
      if (owner !== undefined) {
        throw new OperatorError(`Pelikuni is already running, pid ${owner} (${directory})`);
      }
      putAside(file);
    } finally {
      rmSync(partial, { force: true });
    }
  }
  throw new OperatorError(`Another start is under way in ${directory}; try again`);
}

/** Removes what a dead process left; a file that another start has put there meanwhile stays. */
function putAside(file: string): void {
  const aside = `${file}.${process.pid}.stale`;
  try {
    renameSync(file, aside);
    if (readLivingOwner(aside) !== undefined) linkSync(aside, file);
  } catch (error) {
    // Another start was faster: the next attempt sees what it has made of it.
    if (!(error instanceof Error && "code" in error)) throw error;
    if (error.code !== "ENOENT" && error.code !== "EEXIST") throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function removeIfMine(file: string, mine: string): void {
  try {
    if (readFileSync(file, "utf8") === mine) rmSync(file);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
}

function readLivingOwner(file: string): number | undefined {
  try {
    const content: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (typeof content !== "object" || content === null) return undefined;
    if (!("pid" in content) || typeof content.pid !== "number") return undefined;
    const living = identifyProcess(content.pid);
    const same = "startedAt" in content && living?.startedAt === content.startedAt;
    return same ? content.pid : undefined;
  } catch {
    // A file that cannot be read names nobody.
    return undefined;
  }
}
