import { linkSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
      return { release: () => rmSync(file, { force: true }) };
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      const owner = readLivingOwner(file);
      if (owner !== undefined) {
        throw new OperatorError(`Pelikuni is already running, pid ${owner} (${directory})`);
      }
      rmSync(file, { force: true });
    } finally {
      rmSync(partial, { force: true });
    }
  }
  throw new OperatorError(`Another start is under way in ${directory}; try again`);
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
