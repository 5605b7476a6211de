import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createTestDirectory } from "@pelikuni/e2e/test-directory";
import { describeWithOwnKafka } from "@pelikuni/e2e/test-kafka";
import { readTopic } from "@pelikuni/e2e/topic-reader";
import { expect, test } from "vitest";
import { isPortFree } from "../src/free-port.ts";

const startTimeoutMs = 90_000;
const settings = [
  "GATEWAY__PORT=0",
  "WALLET_SERVICE__GRPC__PORT=0",
  "WALLET_SERVICE__HTTP__PORT=0",
  "HISTORY_SERVICE__GRPC__PORT=0",
  "HISTORY_SERVICE__HTTP__PORT=0",
  "LOCAL__KAFKA_PORT=0",
];

await describeWithOwnKafka("npm start -- --kafka", () => {
  test("runs everything over Kafka, where it says, and stops all of it", async () => {
    const variables = [...settings, `LOCAL__DIRECTORY=${await createTestDirectory()}`];
    const npm = spawn(
      "env",
      [...variables.map((each) => `APP__${each}`), "npm", "start", "--", "--kafka"],
      { cwd: path.resolve(import.meta.dirname, "../..") },
    );
    let output = "";
    for (const stream of [npm.stdout, npm.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        output += chunk.toString();
      });
    }
    const ended = once(npm, "close");
    await expect.poll(() => output, { timeout: startTimeoutMs }).toContain("Three commands to try");
    const rest = /REST +(\S+)/.exec(output)?.[1] ?? "";
    const [, broker = "", topic = ""] = /kcat .*-b (\S+) -t (\S+)/.exec(output) ?? [];
    await fetch(`${rest}/wallets`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ user_id: "alice" }),
    });
    const reader = await readTopic([broker], topic);
    await expect
      .poll(() => reader.messages.map(({ headers }) => headers.ce_type), { timeout: 20_000 })
      .toEqual(["pelikuni.wallet.v1.WalletCreated"]);
    await reader[Symbol.asyncDispose]();
    npm.kill("SIGTERM");
    expect(await ended, output).toEqual([0, null]);
    expect(await isPortFree(Number(broker.split(":")[1]))).toBe(true);
  });

  test("an argument that it does not know is named", async () => {
    const start = path.resolve(import.meta.dirname, "../start.mjs");
    const child = spawn(process.execPath, [start, "--kafak"]);
    let output = "";
    child.stderr.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    expect(await once(child, "close")).toEqual([1, null]);
    expect(output).toContain("npm start -- --kafka");
  });
});
