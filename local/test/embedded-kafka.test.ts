import { spawn } from "node:child_process";
import path from "node:path";
import { createTestDirectory } from "@pelikuni/e2e/test-directory";
import { describeWithOwnKafka } from "@pelikuni/e2e/test-kafka";
import { createKafka, kafkaSchema } from "@pelikuni/runtime/kafka";
import { createLogger } from "@pelikuni/runtime/logger";
import { expect, test } from "vitest";
import { startEmbeddedKafka } from "../src/embedded-kafka.ts";
import { isPortFree } from "../src/free-port.ts";

const logger = createLogger("test", { level: "silent", format: "json" });
const startTimeoutMs = 60_000;

await describeWithOwnKafka("embedded Kafka", () => {
  test("messages stay after a stop, and after a kill -9, on another port too", async () => {
    const directory = await createTestDirectory();
    const topic = "kept";
    const offsets: (string | undefined)[] = [];
    for (const end of ["stop", "kill", "stop"] as const) {
      const server = await startEmbeddedKafka({ directory, logger });
      const kafka = createKafka({ ...kafkaSchema.parse({}), brokers: server.brokers }, logger);
      const admin = kafka.admin();
      await admin.connect();
      await admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 1 }] });
      const producer = kafka.producer();
      await producer.connect();
      const [sent] = await producer.send({ topic, acks: -1, messages: [{ value: end }] });
      offsets.push(sent?.baseOffset);
      await producer.disconnect();
      await admin.disconnect();
      if (end === "kill") await server.kill();
      await server[Symbol.asyncDispose]();
    }
    expect(offsets).toEqual(["0", "1", "2"]);
  });

  test("a kill -9 of its owner takes it along; a taken port is named", async () => {
    const directory = await createTestDirectory();
    const owner = spawn(
      process.execPath,
      [
        "--conditions=source",
        "--import",
        import.meta.resolve("tsx/esm"),
        path.resolve(import.meta.dirname, "kafka-process.ts"),
        directory,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    let output = "";
    owner.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    const port = (): number => Number(/port (\d+)/.exec(output)?.[1]);
    await expect.poll(port, { timeout: startTimeoutMs }).toBeGreaterThan(0);
    const taken = startEmbeddedKafka({
      directory: await createTestDirectory(),
      port: port(),
      logger,
    });
    await expect(taken).rejects.toThrow(/Port \d+, meant for the embedded Kafka, is taken/);
    await expect(startEmbeddedKafka({ directory, logger })).rejects.toThrow("already running");
    owner.kill("SIGKILL");
    await expect.poll(() => isPortFree(port()), { timeout: startTimeoutMs }).toBe(true);
  });
});
