import { chmod, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "@pelikuni/local/embedded-postgres";
import { dataDirectory } from "@pelikuni/local/postgres-cluster";
import { findPostgresPlace } from "@pelikuni/local/postgres-place";
import { createLogger } from "@pelikuni/runtime/logger";
import postgres from "postgres";
import { encryptPostgres, type PostgresCertificates } from "./encrypted-postgres.ts";

/** A Postgres server of one test's own, which may be frozen and killed. Disposing removes it. */
export interface OwnPostgres extends AsyncDisposable {
  readonly ownerUrl: string;
  readonly serviceUrl: string;
  /** Stops all its processes with SIGSTOP: connections stand, and nobody answers. */
  freeze(): Promise<void>;
  /** Lets them go on with SIGCONT. */
  thaw(): void;
  /** Ends the postmaster with kill -9; its backends follow by themselves. */
  kill(): Promise<void>;
  /** Has it speak TLS, and nothing else; resolves once it does. */
  encrypt(certificates: PostgresCertificates): Promise<void>;
  /** Starts it again after `kill`, on the same data and port; resolves once it is ready. */
  start(): Promise<void>;
}

const databaseName = "pelikuni";
const pollMs = 10;

/** Starts a server on data of its own. */
export async function startOwnPostgres(): Promise<OwnPostgres> {
  const directory = await mkdtemp(path.join(tmpdir(), "pelikuni-test-"));
  // Postgres may run as another user, who has to get in.
  await chmod(directory, 0o755);
  const place = findPostgresPlace(directory);
  const logger = createLogger("own postgres", { level: "silent", format: "json" });
  let server: EmbeddedPostgres = await startEmbeddedPostgres({ directory, logger });
  const { port } = server;
  await server.createDatabase(databaseName);
  const ownerUrl = server.ownerUrl(databaseName);
  const serviceUrl = server.serviceUrl(databaseName);
  let frozen: number[] = [];

  async function readPostmasterPid(): Promise<number> {
    const lines = await readFile(path.join(dataDirectory(place), "postmaster.pid"), "utf8");
    return Number.parseInt(lines, 10);
  }

  function thaw(): void {
    for (const pid of frozen) signal(pid, "SIGCONT");
    frozen = [];
  }

  return {
    ownerUrl,
    serviceUrl,
    async freeze() {
      frozen = [await readPostmasterPid(), ...(await readBackendPids(ownerUrl))];
      for (const pid of frozen) signal(pid, "SIGSTOP");
    },
    thaw,
    async kill() {
      const pid = await readPostmasterPid();
      // A frozen backend would not notice that its postmaster is gone.
      for (const each of [pid, ...frozen]) signal(each, "SIGKILL");
      frozen = [];
      while (signal(pid, 0)) await pause(pollMs);
      await server[Symbol.asyncDispose]();
    },
    encrypt: (certificates) => encryptPostgres({ place, port }, certificates),
    async start() {
      server = await startEmbeddedPostgres({ directory, port, logger });
    },
    async [Symbol.asyncDispose]() {
      thaw();
      await server[Symbol.asyncDispose]();
      for (const each of new Set([place.directory, directory])) {
        await rm(each, { recursive: true, force: true });
      }
    },
  };
}

async function readBackendPids(ownerUrl: string): Promise<number[]> {
  const owner = postgres(ownerUrl, { max: 1 });
  try {
    const rows = await owner<{ pid: number }[]>`
      select pid from pg_stat_activity where pid <> pg_backend_pid()`;
    return rows.map(({ pid }) => pid);
  } finally {
    await owner.end({ timeout: 1 });
  }
}

/** Whether there was such a process; 0 only asks. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ESRCH") return false;
    throw error;
  }
}
