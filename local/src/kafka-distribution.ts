import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import type { Logger } from "@pelikuni/runtime/logger";
import { OperatorError } from "@pelikuni/runtime/operator-error";

/** There is no Kafka on this machine, and no means to fetch one; the message says what is missing. */
export class KafkaUnavailable extends OperatorError {
  override name = "KafkaUnavailable";
}

const run = promisify(execFile);
const javaVersionMin = 17;
const fetchTimeoutMs = 600_000;
const versionTimeoutMs = 30_000;
const kafkaDirectory = path.resolve(import.meta.dirname, "../kafka");
const pomFile = path.join(kafkaDirectory, "pom.xml");

/**
 * Finds Apache Kafka's libraries, and fetches them with Maven the first time (44 MB, once per
 * checkout and version).
 *
 * @returns the directory of the libraries
 * @throws KafkaUnavailable without Java 17 or Maven, or when Maven cannot fetch
 */
export async function findKafkaLibraries(logger: Logger): Promise<string> {
  await requireJava();
  const version = createHash("sha256").update(readFileSync(pomFile)).digest("hex").slice(0, 16);
  const directory = path.join(kafkaDirectory, ".cache", version);
  if (!existsSync(directory)) await fetchLibraries(directory, logger);
  return directory;
}

async function requireJava(): Promise<void> {
  const { stderr } = await run("java", ["-version"], { timeout: versionTimeoutMs }).catch(() => {
    throw new KafkaUnavailable(`Kafka needs Java ${javaVersionMin} or later, and there is none`);
  });
  const version = Number(/version "(\d+)/.exec(stderr)?.[1]);
  if (version >= javaVersionMin) return;
  throw new KafkaUnavailable(`Kafka needs Java ${javaVersionMin} or later; this is ${version}`);
}

async function fetchLibraries(directory: string, logger: Logger): Promise<void> {
  logger.info("Fetching Apache Kafka with Maven; this takes a moment the first time");
  // Whoever looks for the directory finds it complete or not at all.
  const partial = `${directory}.${process.pid}`;
  const args = ["-q", "-B", "-f", pomFile, "dependency:copy-dependencies"];
  try {
    await run("mvn", [...args, `-DoutputDirectory=${partial}`], {
      timeout: fetchTimeoutMs,
      // On Windows it is a script.
      shell: process.platform === "win32",
    });
    mkdirSync(path.dirname(directory), { recursive: true });
    renameSync(partial, directory);
  } catch (error) {
    // Another process may have been faster.
    if (existsSync(directory)) return;
    throw new KafkaUnavailable(describeFailure(error));
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return `Maven could not fetch Kafka: ${String(error)}`;
  if ("code" in error && error.code === "ENOENT") {
    return "Kafka is fetched with Maven (mvn), and there is none";
  }
  const output = "stdout" in error && typeof error.stdout === "string" ? error.stdout : "";
  return `Maven could not fetch Kafka: ${error.message.split("\n")[0]}\n${output.trim()}`;
}
