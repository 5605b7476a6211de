// Waits until the test run that started it is gone, then removes the Postgres server that the run
// may have left behind. Arguments: the directory of the server, and others to remove with it.
import { readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const directories = process.argv.slice(2);

for await (const _ of process.stdin);

for (const directory of directories) {
  const pid = readPostmasterPid(directory);
  if (pid !== undefined) await stop(pid);
  rmSync(directory, { recursive: true, force: true });
}

function readPostmasterPid(directory) {
  try {
    return Number.parseInt(
      readFileSync(path.join(directory, "data", "postmaster.pid"), "utf8"),
      10,
    );
  } catch {
    return undefined;
  }
}

async function stop(pid) {
  try {
    // Immediate shutdown: nobody will read these data again.
    process.kill(pid, "SIGQUIT");
    for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 50) {
      process.kill(pid, 0);
      await delay(50);
    }
  } catch {
    // It is gone.
  }
}
