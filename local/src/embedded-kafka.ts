import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { createKafka, kafkaSchema } from "@pelikuni/runtime/kafka";
import type { Logger } from "@pelikuni/runtime/logger";
import { OperatorError } from "@pelikuni/runtime/operator-error";
import { chooseFreePort, isPortFree } from "./free-port.ts";
import { claimDirectory } from "./instance-owner.ts";
import { findKafkaLibraries } from "./kafka-distribution.ts";

/** What an embedded Kafka is to be. */
export interface EmbeddedKafkaOptions {
  /** Where data and log lie; made when missing. */
  readonly directory: string;
  /** TCP port on the loopback interface; 0, the default: a free one. */
  readonly port?: number;
  /** One more listener, for clients that the plain one is not for. */
  readonly listener?: KafkaListener;
  readonly logger: Logger;
}

/** A listener of the embedded Kafka beside its plain one. */
export interface KafkaListener {
  /** Protocol and place, for example "SASL_SSL://127.0.0.1:19093". */
  readonly url: string;
  /** What the broker has to know for it, by Kafka's names. */
  readonly settings: Readonly<Record<string, string>>;
}

/** A running Kafka of one node; disposing stops it, and its data stay. */
export interface EmbeddedKafka extends AsyncDisposable {
  /** "host:port", as the setting kafka.brokers wants it. */
  readonly brokers: string[];
  readonly port: number;
  /** Ends it with kill -9; disposing is still due. */
  kill(): Promise<void>;
}

const startAttemptsMax = 5;
const startRetryMs = 300;
const startDeadlineMs = 60_000;
const startPollMs = 50;
const stopDeadlineMs = 15_000;
const guard = path.resolve(import.meta.dirname, "../run-guarded.mjs");

/**
 * Starts real Apache Kafka (KRaft, broker and controller in one process). However this process
 * dies, Kafka dies with it.
 *
 * @throws KafkaUnavailable when there is no Kafka for this machine; OperatorError when another
 * process has the directory or the port is taken
 */
export async function startEmbeddedKafka(options: EmbeddedKafkaOptions): Promise<EmbeddedKafka> {
  const { logger, port: wantedPort = 0 } = options;
  const libraries = await findKafkaLibraries(logger);
  mkdirSync(options.directory, { recursive: true });
  const claim = claimDirectory(options.directory);
  try {
    for (let attempt = 1; ; attempt += 1) {
      const port = await choosePort(wantedPort);
      const { directory, listener } = options;
      const node = { libraries, directory, port, listener };
      await format(node, await chooseFreePort());
      const child = spawnGuarded(node, "kafka.Kafka");
      if (await waitUntilReady(child, port, logger)) return running(child, port, claim, logger);
      await kill(child);
      // A node before this one, or whoever took the free port meanwhile, may need a moment to go.
      if (attempt === startAttemptsMax) throw new Error(`Kafka did not start: ${readLog(node)}`);
      await delay(startRetryMs);
    }
  } catch (error) {
    claim.release();
    throw error;
  }
}

interface Node {
  readonly libraries: string;
  readonly directory: string;
  readonly port: number;
  readonly listener: KafkaListener | undefined;
}

async function choosePort(port: number): Promise<number> {
  if (port === 0) return await chooseFreePort();
  if (await isPortFree(port)) return port;
  throw new OperatorError(
    `Port ${port}, meant for the embedded Kafka, is taken. The setting local.kafka_port ` +
      "(APP__LOCAL__KAFKA_PORT) changes it; 0 means any free port.",
  );
}

/** Writes the node's settings, and its empty log directory the first time. */
async function format(node: Node, controllerPort: number): Promise<void> {
  const data = path.join(node.directory, "data");
  const clients = [`PLAINTEXT://127.0.0.1:${node.port}`, node.listener?.url ?? []].flat().join();
  const settings = {
    "process.roles": "broker,controller",
    "node.id": "1",
    // A fixed quorum, as the ports may be others at each start.
    "controller.quorum.voters": `1@127.0.0.1:${controllerPort}`,
    listeners: `${clients},CONTROLLER://127.0.0.1:${controllerPort}`,
    "advertised.listeners": clients,
    "controller.listener.names": "CONTROLLER",
    "log.dirs": data.replaceAll("\\", "/"),
    // A misspelt topic is an error, not a new topic.
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    // After a kill -9 the node may register again only when its old session is over.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "1000",
    ...node.listener?.settings,
  };
  const lines = Object.entries(settings).map(([key, value]) => `${key}=${value}\n`);
  writeFileSync(settingsFile(node), lines.join(""));
  if (existsSync(path.join(data, "meta.properties"))) return;
  // An id that begins with "-" would be read as an option.
  const cluster = randomBytes(16).toString("base64url").replace(/^-/, "A");
  const child = spawnGuarded(node, "kafka.tools.StorageTool", "format", "-t", cluster, "-c");
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`Kafka could not format its directory: ${readLog(node)}`);
}

function settingsFile({ directory }: Node): string {
  return path.join(directory, "server.properties");
}

function logFile({ directory }: Node): string {
  return path.join(directory, "kafka.log");
}

function readLog(node: Node): string {
  return readFileSync(logFile(node), "utf8").slice(-10_000).trim();
}

/** Runs a program of Kafka on the node's settings, in a process that dies with this one. */
function spawnGuarded(node: Node, mainClass: string, ...args: string[]): ChildProcess {
  const log = openSync(logFile(node), "w");
  const java = [
    "java",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    // It is started far more often than it runs for hours.
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-cp",
    path.join(node.libraries, "*"),
    mainClass,
    ...args,
    settingsFile(node),
  ];
  // Detached: the terminal's Ctrl-C must not reach Kafka before the services have drained.
  const child = spawn(process.execPath, [guard, ...java], {
    detached: true,
    stdio: ["pipe", log, log],
    windowsHide: true,
  });
  closeSync(log);
  child.stdin?.on("error", () => undefined);
  return child;
}

/** Waits until the node answers; false: it ended, or takes too long. */
async function waitUntilReady(child: ChildProcess, port: number, logger: Logger): Promise<boolean> {
  const brokers = [`127.0.0.1:${port}`];
  const kafka = createKafka({ ...kafkaSchema.parse({}), brokers }, logger);
  const deadlineMs = performance.now() + startDeadlineMs;
  while (performance.now() < deadlineMs && isRunning(child)) {
    const admin = kafka.admin({ retry: { retries: 0 } });
    try {
      await admin.connect();
      const cluster = await admin.describeCluster();
      if (cluster.brokers.length > 0) return true;
    } catch {
      // It does not answer yet.
    } finally {
      await admin.disconnect();
    }
    await delay(startPollMs);
  }
  return false;
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

function running(
  child: ChildProcess,
  port: number,
  claim: { release: () => void },
  logger: Logger,
): EmbeddedKafka {
  const complain = (): void => logger.error("The embedded Kafka ended unexpectedly");
  child.once("exit", complain);
  // It must not keep this process alive.
  child.unref();
  const { stdin } = child;
  if (stdin && "unref" in stdin && typeof stdin.unref === "function") stdin.unref();
  return {
    brokers: [`127.0.0.1:${port}`],
    port,
    async kill() {
      child.off("exit", complain);
      await kill(child);
    },
    async [Symbol.asyncDispose]() {
      child.off("exit", complain);
      await stop(child);
      claim.release();
    },
  };
}

async function stop(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return;
  child.ref();
  const ended = once(child, "exit");
  child.stdin?.write("stop\n");
  await Promise.race([ended, delay(stopDeadlineMs, undefined, { ref: false })]);
  await kill(child);
}

async function kill(child: ChildProcess): Promise<void> {
  if (!isRunning(child)) return;
  child.ref();
  const ended = once(child, "exit");
  child.stdin?.end();
  await ended;
}
