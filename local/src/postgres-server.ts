import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "@pelikuni/runtime/logger";
import { OperatorError } from "@pelikuni/runtime/operator-error";
import { chooseFreePort, isPortFree } from "./free-port.ts";
import type { PostgresBinaries } from "./postgres-binaries.ts";
import { type ClusterConnection, dataDirectory, saveConnection } from "./postgres-cluster.ts";
import type { PostgresPlace } from "./postgres-place.ts";
import { programPath, runPostgresTool, workingDirectory } from "./postgres-tool.ts";
import { identifyProcess } from "./process-identity.ts";

/** What a server runs on. */
export interface PostgresServerOptions {
  readonly place: PostgresPlace;
  readonly binaries: PostgresBinaries;
  readonly connection: ClusterConnection;
  /** 0: the port of the last start if it is free, else another free one. */
  readonly port: number;
  readonly logger: Logger;
}

/** A server that accepts connections. */
export interface PostgresServer {
  readonly port: number;
  stop(): Promise<void>;
}

const startAttemptsMax = 10;
const startRetryMs = 200;
const startDeadlineMs = 60_000;
const startPollMs = 20;
const stopDeadlineSeconds = 30;
const logBytesMax = 10 * 1024 * 1024;

/** Starts the postmaster of a cluster, after stopping one that lost its owner. */
export async function startPostgresServer(options: PostgresServerOptions): Promise<PostgresServer> {
  await clearPostmasterFile(options);
  for (let attempt = 1; ; attempt += 1) {
    const port = await choosePort(options);
    if (port !== options.connection.port) {
      saveConnection(options.place, { ...options.connection, port });
    }
    const log = openLog(options.place);
    const child = spawnPostmaster(options, port, log.descriptor);
    closeSync(log.descriptor);
    const failure = await waitUntilReady(options, child, log.sizeBefore);
    if (failure === undefined) return running(options, child, port);
    // The backends of a postmaster that was killed need a moment to notice.
    const survivors = failure.includes("pre-existing shared memory block");
    // Somebody may have taken the port between its choice and its use.
    const transient = survivors || !(await isPortFree(port));
    if (attempt === startAttemptsMax || !transient) {
      throw new Error(`Postgres did not start: ${failure}`);
    }
    await delay(startRetryMs);
  }
}

async function choosePort({ port, connection }: PostgresServerOptions): Promise<number> {
  if (port !== 0) {
    if (await isPortFree(port)) return port;
    throw new OperatorError(
      `Port ${port}, meant for the embedded Postgres, is taken. The setting local.postgres_port ` +
        "(APP__LOCAL__POSTGRES_PORT) changes it; 0 means any free port.",
    );
  }
  if (connection.port !== 0 && (await isPortFree(connection.port))) return connection.port;
  return await chooseFreePort();
}

function spawnPostmaster(
  { place, binaries }: PostgresServerOptions,
  port: number,
  log: number,
): ChildProcess {
  const settings = {
    port: String(port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: "200",
    timezone: "UTC",
    log_timezone: "UTC",
    log_checkpoints: "off",
  };
  const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  // Detached: the terminal's Ctrl-C must not reach Postgres before the services have drained.
  return spawn(programPath(binaries, "postgres"), ["-D", dataDirectory(place), ...args], {
    ...place.user,
    cwd: workingDirectory,
    detached: true,
    stdio: ["ignore", log, log],
    windowsHide: true,
  });
}

function logFile(place: PostgresPlace): string {
  return path.join(place.directory, "postgres.log");
}

function openLog(place: PostgresPlace): { descriptor: number; sizeBefore: number } {
  const file = logFile(place);
  if (existsSync(file) && statSync(file).size > logBytesMax) renameSync(file, `${file}.1`);
  const descriptor = openSync(file, "a", 0o600);
  return { descriptor, sizeBefore: fstatSync(descriptor).size };
}

/** Waits until the server accepts connections; otherwise says why it does not. */
async function waitUntilReady(
  { place }: PostgresServerOptions,
  child: ChildProcess,
  logSizeBefore: number,
): Promise<string | undefined> {
  const deadlineMs = performance.now() + startDeadlineMs;
  let spawnError: Error | undefined;
  child.once("error", (error) => {
    spawnError = error;
  });
  const log = (): string => readFileSync(logFile(place)).subarray(logSizeBefore).toString().trim();
  while (performance.now() < deadlineMs) {
    if (spawnError !== undefined) return spawnError.message;
    if (child.exitCode !== null || child.signalCode !== null) return log();
    // The postmaster writes its state into the eighth line, as pg_ctl reads it, too.
    const lines = readPostmasterFile(place);
    if (Number(lines[0]) === child.pid && lines[7]?.trim() === "ready") return undefined;
    await delay(startPollMs);
  }
  child.kill("SIGINT");
  return `not ready after ${startDeadlineMs / 1000} s\n${log()}`;
}

function running(
  options: PostgresServerOptions,
  child: ChildProcess,
  port: number,
): PostgresServer {
  const { place, logger } = options;
  // However our process ends, short of kill -9: SIGINT is Postgres' fast shutdown.
  const stopOnExit = (): void => {
    child.kill("SIGINT");
  };
  const complain = (code: number | null, signal: string | null): void => {
    logger.error({ code, signal, log: logFile(place) }, "The embedded Postgres ended unexpectedly");
  };
  child.unref();
  child.once("exit", complain);
  process.once("exit", stopOnExit);
  const stop = async (): Promise<void> => {
    child.off("exit", complain);
    // Somebody may have stopped it, or started another one on these data by hand.
    if (findPostmaster(place).alive) await stopPostmaster(options);
    process.off("exit", stopOnExit);
  };
  return { port, stop };
}

async function stopPostmaster({ place, binaries }: PostgresServerOptions): Promise<void> {
  const stopWith = (mode: string): Promise<void> =>
    runPostgresTool({
      binaries,
      user: place.user,
      program: "pg_ctl",
      args: [
        "stop",
        "-m",
        mode,
        "-w",
        "-t",
        String(stopDeadlineSeconds),
        "-D",
        dataDirectory(place),
      ],
    });
  try {
    await stopWith("fast");
  } catch (error) {
    if (readPostmasterFile(place).length === 0) return;
    await stopWith("immediate").catch(() => {
      throw error;
    });
  }
}

/**
 * Makes way for a new postmaster: stops a living one (its owner is dead, since we have claimed
 * the directory), and disarms a file whose process number now belongs to another program.
 */
async function clearPostmasterFile(options: PostgresServerOptions): Promise<void> {
  const { place, logger } = options;
  const { pid, alive } = findPostmaster(place);
  if (alive) {
    logger.info({ pid }, "Stopping a Postgres server that an earlier, killed process left behind");
    await stopPostmaster(options);
  } else if (pid !== undefined && identifyProcess(pid) !== undefined) {
    // With a dead process in it Postgres clears the file itself, after looking for survivors of
    // the old server by the other lines; without the file it would not look.
    const dead = spawnSync(process.execPath, ["--version"]).pid;
    const others = readPostmasterFile(place).slice(1);
    writeFileSync(postmasterFile(place), [dead, ...others].join("\n"));
  }
}

/** The process that the data directory's lock file names, and whether it is its postmaster. */
function findPostmaster(place: PostgresPlace): { pid: number | undefined; alive: boolean } {
  const pid = Number(readPostmasterFile(place)[0]);
  if (!Number.isInteger(pid) || pid <= 0) return { pid: undefined, alive: false };
  const command = identifyProcess(pid)?.command;
  const alive = command !== undefined && (command === "" || command.includes(dataDirectory(place)));
  return { pid, alive };
}

function postmasterFile(place: PostgresPlace): string {
  return path.join(dataDirectory(place), "postmaster.pid");
}

function readPostmasterFile(place: PostgresPlace): string[] {
  try {
    return readFileSync(postmasterFile(place), "utf8").split("\n");
  } catch {
    return [];
  }
}
