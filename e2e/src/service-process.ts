import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import type { UsedKafka } from "@pelikuni/runtime/kafka";
import { z } from "zod";

/** Which service to start, and where it finds the others. */
export interface ServiceOptions {
  readonly name: "wallet-service" | "history-service";
  /** As the service's role. */
  readonly databaseUrl: string;
  /** As the owner; when given, the service migrates first. */
  readonly migrationUrl?: string;
  /** 0, the default, takes any free port. */
  readonly grpcPort?: number;
  /** Where events are published, and taken in from; without it nothing is published. */
  readonly kafka?: UsedKafka;
  /** The gRPC port of the wallet-service that a history-service calls. */
  readonly walletGrpcPort?: number;
}

/** A service in a process of its own; disposing stops it in order. */
export interface ServiceProcess extends AsyncDisposable {
  readonly pid: number;
  readonly grpcPort: number;
  /** Whether it still runs. */
  readonly running: boolean;
  /** How often it logged what, as "level: sentence". */
  readonly logCounts: ReadonlyMap<string, number>;
  /** When it logged this sentence last, as performance.now() says here. */
  lastLoggedAtMs(sentence: string): number | undefined;
  /** Ends it with kill -9 and waits until it is gone. */
  kill(): Promise<void>;
}

const project = path.resolve(import.meta.dirname, "../..");
const mainFile = path.resolve(import.meta.dirname, "service-main.ts");
const startedSchema = z.object({ grpcPort: z.int() });
const logLineSchema = z.object({
  level: z.string(),
  msg: z.string(),
  // Kafka's client logs a text here.
  error: z.union([z.object({ message: z.string() }), z.string()]).optional(),
});
const startDeadlineMs = 30_000;
const linesKeptMax = 50;

/** Starts a service and waits until it serves; the error of a failed start shows what it printed. */
export async function startService(options: ServiceOptions): Promise<ServiceProcess> {
  const child = fork(mainFile, [options.name], {
    cwd: project,
    env: environmentOf(options),
    execArgv: ["--import", "tsx/esm", "--conditions=source"],
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
    throw new Error(`The ${options.name} did not start:\n${log.lastLines.join("\n")}`);
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
    lastLoggedAtMs: (sentence) => log.lastAtMs.get(sentence),
    kill: () => end("SIGKILL"),
    [Symbol.asyncDispose]: () => end("SIGTERM"),
  };
}

function environmentOf(options: ServiceOptions): Record<string, string> {
  const { kafka, walletGrpcPort, migrationUrl } = options;
  const section = `APP__${options.name.replace("-", "_").toUpperCase()}`;
  return {
    APP__LOG__FORMAT: "json",
    APP__LOG__LEVEL: "debug",
    [`${section}__GRPC__PORT`]: String(options.grpcPort ?? 0),
    [`${section}__HTTP__PORT`]: "0",
    [`${section}__DATABASE__URL`]: options.databaseUrl,
    ...(migrationUrl && { [`${section}__DATABASE__MIGRATION_URL`]: migrationUrl }),
    ...(walletGrpcPort && {
      [`${section}__WALLET_SERVICE_ADDRESS`]: `127.0.0.1:${walletGrpcPort}`,
      [`${section}__SOURCE`]: kafka ? "kafka" : "feed",
    }),
    ...(kafka && {
      APP__KAFKA__BROKERS: kafka.brokers.join(),
      APP__KAFKA__TOPIC: kafka.topic,
      APP__KAFKA__PARTITIONS: String(kafka.partitions),
      APP__KAFKA__REPLICATION_FACTOR: String(kafka.replication_factor),
    }),
  };
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** Counts the lines of the log by their sentence, and keeps the last ones. */
function followLog(child: ChildProcess): {
  counts: ReadonlyMap<string, number>;
  lastAtMs: ReadonlyMap<string, number>;
  lastLines: readonly string[];
} {
  const counts = new Map<string, number>();
  const lastAtMs = new Map<string, number>();
  const lastLines: string[] = [];
  const take = (line: string): void => {
    lastLines.push(line);
    if (lastLines.length > linesKeptMax) lastLines.shift();
    const text = sentenceOf(line);
    counts.set(text, (counts.get(text) ?? 0) + 1);
    lastAtMs.set(text, performance.now());
  };
  for (const input of [child.stdout, child.stderr]) {
    if (input) createInterface({ input }).on("line", take);
  }
  return { counts, lastAtMs, lastLines };
}

/** What is not a line of the logger comes from a process that fell over. */
function sentenceOf(line: string): string {
  try {
    const { level, msg, error } = logLineSchema.parse(JSON.parse(line));
    const cause = typeof error === "object" ? error.message : error;
    const text = cause?.replaceAll(/[0-9.]+ ms/g, "… ms");
    return `${level}: ${msg}${text === undefined ? "" : ` (${text})`}`;
  } catch {
    return `crash: ${line}`;
  }
}
