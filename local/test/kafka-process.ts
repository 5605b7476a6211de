import { createLogger } from "@pelikuni/runtime/logger";
import { startEmbeddedKafka } from "../src/embedded-kafka.ts";

// Starts a Kafka on the directory of its argument, tells the port and stays until it is killed.
const directory = process.argv[2] ?? "";
const logger = createLogger("kafka-process", { level: "warn", format: "json" });
const kafka = await startEmbeddedKafka({ directory, logger });
process.stdout.write(`port ${kafka.port}\n`);
setInterval(() => undefined, 60_000);
