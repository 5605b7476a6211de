// Waits until the test run that started it is gone, then removes what the run may have left behind
// below the directories of its arguments: processes that own a Postgres, the servers, the files.
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";

const pollMs = 50;
// A container without an init process never collects its dead: they must not be waited for.
const stopDeadlineMs = 2_000;

for await (const _ of process.stdin);

for (const directory of process.argv.slice(2).filter(existsSync)) {
  const files = readdirSync(directory, { recursive: true }).map((file) =>
    path.join(directory, file),
  );
  // Owners first: they would complain about their servers.
  await stopAll(files, "owner.json", (text) => JSON.parse(text).pid, "SIGKILL");
  // Immediate shutdown: nobody will read these data again.
  await stopAll(files, "postmaster.pid", (text) => Number.parseInt(text, 10), "SIGQUIT");
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}

async function stopAll(files, name, readPid, signal) {
  for (const file of files.filter((one) => path.basename(one) === name)) {
    try {
      const pid = readPid(readFileSync(file, "utf8"));
      process.kill(pid, signal);
      for (let waitedMs = 0; waitedMs < stopDeadlineMs; waitedMs += pollMs) {
        process.kill(pid, 0);
        await delay(pollMs);
      }
    } catch {
      // The process, or its file, is gone.
    }
  }
}
