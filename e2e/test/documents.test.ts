import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { gatewaySchema } from "@pelikuni/gateway/start-gateway";
import {
  type Everything,
  localHistoryServiceSchema,
  localSchema,
  localWalletServiceSchema,
  startEverything,
} from "@pelikuni/local/start-everything";
import { authSchema } from "@pelikuni/runtime/access/auth-configuration";
import { loadConfiguration, readTestServers } from "@pelikuni/runtime/configuration";
import { kafkaSchema } from "@pelikuni/runtime/kafka";
import { createLogger } from "@pelikuni/runtime/logger";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isShown, readShellSteps, runShellSteps, type ShellStep } from "../src/shell-document.ts";
import { createTestDirectory } from "../src/test-directory.ts";

// What the documents tell to type is typed, and what they show is compared: on what `npm start`
// starts, with the configuration that it has.

const project = path.resolve(import.meta.dirname, "../..");
const missing = ["bash", "curl"].filter((name) => spawnSync(name, ["--version"]).status !== 0);
if (missing.length > 0) {
  const without = `There is no ${missing.join(", no ")}.`;
  if (readTestServers().nothingSkipped) throw new Error(without);
  process.stdout.write(`Skipped: the examples of the documents. ${without}\n`);
}

describe.skipIf(missing.length > 0)("the examples of the documents", () => {
  let everything: Everything;

  beforeAll(async () => {
    everything = await start(await createTestDirectory());
  });

  afterAll(() => everything[Symbol.asyncDispose]());

  async function run(steps: readonly ShellStep[], on: Everything = everything): Promise<void> {
    const { restPort, grpcPort, httpPort, historyGrpcPort } = on;
    const ports = { 8000: restPort, 50051: grpcPort, 8051: httpPort, 50052: historyGrpcPort };
    const commands = steps.map((step) => {
      const here = step.commands.replaceAll(/localhost:(\d+)/g, (whole, port) => {
        const ours = new Map(Object.entries(ports)).get(port);
        return ours === undefined ? whole : `localhost:${ours}`;
      });
      return { commands: here };
    });
    const results = await runShellSteps(commands, { directory: project });
    for (const [index, { line, shown }] of steps.entries()) {
      const { output = "", exitCode } = results[index] ?? {};
      const failure = `line ${line} printed:\n${output}`;
      // A key that is not a run's own would refuse the second one.
      if (shown === undefined) expect(output, failure).not.toContain("REQUEST_ID_REUSED");
      if (shown === undefined) expect(exitCode, failure).toBe(0);
      else expect(isShown(output, shown), `${failure}\nand not:\n${shown}`).toBe(true);
    }
  }

  test("docs/OPERATIONS.md shows what happens", async () => {
    const text = await readFile(path.join(project, "docs/OPERATIONS.md"), "utf8");
    const steps = readShellSteps(text);
    expect(steps.filter(({ shown }) => shown !== undefined).length).toBeGreaterThan(15);
    await run(steps);
  });

  test("README's tour shows what happens, the second time too", async () => {
    const text = await readFile(path.join(project, "README.md"), "utf8");
    const sections = text.split(/^(?=## )/m);
    const tour = sections.find((section) => section.startsWith("## Two minutes with it")) ?? "";
    // grpcurl is not ours to install; buf curl shows the same.
    const hasGrpcurl = spawnSync("grpcurl", ["--version"]).status === 0;
    const steps = readShellSteps(tour).filter(({ commands }) => {
      return hasGrpcurl || !commands.includes("grpcurl ");
    });
    expect(steps.length).toBeGreaterThan(9);
    await run(steps);
    await run(steps);
  });

  test("README's API keys are asked for, made and revoked as it shows", async () => {
    const initialKey = `pelikuni_${randomBytes(24).toString("hex")}`;
    const auth = { APP__AUTH__API_KEYS: "true", APP__AUTH__INITIAL_API_KEY: initialKey };
    await using closed = await start(await createTestDirectory(), auth);
    const text = await readFile(path.join(project, "README.md"), "utf8");
    const sections = text.split(/^(?=## )/m);
    const keys = sections.find((section) => section.startsWith("## Who may call")) ?? "";
    // The first step starts what is running here.
    const [, ...steps] = readShellSteps(keys.replace("WHAT_ECHO_HAS_PRINTED", initialKey));
    expect(steps).toHaveLength(2);
    await run(steps, closed);
  });
});

async function start(directory: string, more: object = {}): Promise<Everything> {
  const environment = {
    ...more,
    APP__GATEWAY__PORT: "0",
    APP__WALLET_SERVICE__GRPC__PORT: "0",
    APP__WALLET_SERVICE__HTTP__PORT: "0",
    APP__HISTORY_SERVICE__GRPC__PORT: "0",
    APP__HISTORY_SERVICE__HTTP__PORT: "0",
    APP__LOCAL__DIRECTORY: directory,
  };
  return await startEverything({
    local: loadConfiguration("local", localSchema, { environment }),
    walletService: loadConfiguration("wallet_service", localWalletServiceSchema, { environment }),
    historyService: loadConfiguration("history_service", localHistoryServiceSchema, {
      environment,
    }),
    gateway: loadConfiguration("gateway", gatewaySchema, { environment }),
    auth: loadConfiguration("auth", authSchema, { environment }),
    kafka: loadConfiguration("kafka", kafkaSchema, { environment }),
    withKafka: false,
    createLogger: (name) => createLogger(name, { level: "silent", format: "json" }),
  });
}
