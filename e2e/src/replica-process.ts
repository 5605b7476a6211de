import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { z } from "zod";

/** Where a replica finds its database. */
export interface ReplicaOptions {
  /** As the service's role. */
  readonly databaseUrl: string;
  /** As the owner; when given, the replica migrates first. */
  readonly migrationUrl?: string;
  /** 0, the default, takes any free port. */
  readonly grpcPort?: number;
}

/** A wallet-service in a process of its own; disposing stops it in order. */
export interface ReplicaProcess extends AsyncDisposable {
  readonly pid: number;
  readonly grpcPort: number;
  /** Whether it still runs. */
  readonly running: boolean;
  /** How often it logged what, as "level: sentence". */
  readonly logCounts: ReadonlyMap<string, number>;
  /** Ends it with kill -9 and waits until it is gone. */
  kill(): Promise<void>;
}

const project = path.resolve(import.meta.dirname, "../..");
const mainFile = path.resolve(import.meta.dirname, "replica-main.ts");
const startedSchema = z.object({ grpcPort: z.int() });
const logLineSchema = z.object({
  level: z.string(),
  msg: z.string(),
  error: z.object({ message: z.string() }).optional(),
});
const startDeadlineMs = 30_000;
const linesKeptMax = 50;

/** Starts a replica and waits until it serves; the error of a failed start shows what it printed. */
export async function startReplica(options: ReplicaOptions): Promise<ReplicaProcess> {
  const child = fork(mainFile, [], {
    cwd: project,
    env: environmentOf(options),
    execArgv: ["--import", "tsx", "--conditions=source"],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const log = followLog(child);
  const exited = once(child, "exit");
  const [message] = await Promise.race([
    once(child, "message", { signal: AbortSignal.timeout(startDeadlineMs) }),
    exited.then(() => []),
  ]).catch(() => []);
  const started = startedSchema.safeParse(message);
  const { pid } = child;
  if (!started.success || pid === undefined) {
    child.kill("SIGKILL");
    throw new Error(`A replica did not start:\n${log.lastLines.join("\n")}`);
  }
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (isRunning(child)) child.kill(signal);
    await exited;
  };
  return {
    pid,
    grpcPort: started.data.grpcPort,
    get running() {
      return isRunning(child);
    },
    logCounts: log.counts,
    kill: () => end("SIGKILL"),
    [Symbol.asyncDispose]: () => end("SIGTERM"),
  };
}

function environmentOf(options: ReplicaOptions): Record<string, string> {
  const { databaseUrl, migrationUrl, grpcPort = 0 } = options;
  return {
    APP__LOG__FORMAT: "json",
    APP__LOG__LEVEL: "debug",
    APP__WALLET_SERVICE__GRPC__PORT: String(grpcPort),
    APP__WALLET_SERVICE__HTTP__PORT: "0",
    APP__WALLET_SERVICE__DATABASE__URL: databaseUrl,
    ...(migrationUrl === undefined
      ? {}
      : { APP__WALLET_SERVICE__DATABASE__MIGRATION_URL: migrationUrl }),
  };
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** Counts the lines of the log by their sentence, and keeps the last ones. */
function followLog(child: ChildProcess): {
  counts: ReadonlyMap<string, number>;
  lastLines: readonly string[];
} {
  const counts = new Map<string, number>();
  const lastLines: string[] = [];
  const take = (line: string): void => {
    lastLines.push(line);
    if (lastLines.length > linesKeptMax) lastLines.shift();
    const text = sentenceOf(line);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  };
  for (const input of [child.stdout, child.stderr]) {
    if (input) createInterface({ input }).on("line", take);
  }
  return { counts, lastLines };
}

/** What is not a line of the logger comes from a process that fell over. */
function sentenceOf(line: string): string {
  try {
    const { level, msg, error } = logLineSchema.parse(JSON.parse(line));
    const cause = error ? ` (${error.message.replaceAll(/[0-9.]+ ms/g, "… ms")})` : "";
    return `${level}: ${msg}${cause}`;
  } catch {
    return `crash: ${line}`;
  }
}
