import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { access, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import path from "node:path";
import { createTestDirectory } from "@pelikuni/e2e/test-directory";
import { afterEach, beforeEach, expect, test } from "vitest";

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exit: Promise<number | null>;
}

const launcher = path.resolve(import.meta.dirname, "../start.mjs");
const startTimeoutMs = 60_000;
const freePorts = {
  APP__GATEWAY__PORT: "0",
  APP__WALLET_SERVICE__GRPC__PORT: "0",
  APP__WALLET_SERVICE__HTTP__PORT: "0",
  APP__HISTORY_SERVICE__GRPC__PORT: "0",
  APP__HISTORY_SERVICE__HTTP__PORT: "0",
};

let directory: string;
const runs: Run[] = [];

beforeEach(async () => {
  directory = await createTestDirectory();
});

afterEach(async () => {
  for (const { child, exit } of runs.splice(0)) {
    child.kill("SIGTERM");
    await exit;
  }
  await rm(directory, { recursive: true });
});

function start(environment: Record<string, string> = {}): Run {
  const variables = { ...freePorts, APP__LOCAL__DIRECTORY: directory, ...environment };
  const child = spawn(process.execPath, [launcher], { env: { PATH: "", ...variables } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const exit = once(child, "close").then(([code]: (number | null)[]) => code ?? null);
  const run = { child, output: () => output, exit };
  runs.push(run);
  return run;
}

/** Waits for a start and gives the addresses it told: REST, gRPC. */
async function addresses(run: Run): Promise<{ rest: string; grpc: string }> {
  await expect.poll(run.output, { timeout: startTimeoutMs }).toContain("Three commands to try");
  const rest = /REST +(\S+)/.exec(run.output())?.[1] ?? "";
  const grpc = /gRPC +(\S+)/.exec(run.output())?.[1] ?? "";
  return { rest, grpc };
}

async function listen(): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return { server, port: typeof address === "object" && address !== null ? address.port : 0 };
}

/** Runs the commands that a start told to try, in a shell, and gives what they printed. */
async function tryCommands(run: Run): Promise<string> {
  const told = run.output().split("Three commands to try")[1] ?? "";
  const commands = told.slice(told.indexOf("\n\n")).split('{"level')[0] ?? "";
  const shell = spawn("bash", ["-e", "-o", "pipefail"], { cwd: path.resolve(launcher, "../..") });
  let printed = "";
  for (const stream of [shell.stdout, shell.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      printed += chunk.toString();
    });
  }
  shell.stdin.end(commands);
  expect(await once(shell, "close"), printed).toEqual([0, null]);
  return printed;
}

test("the commands it tells to try work when copied, and money stays after a restart", async () => {
  const first = start();
  await addresses(first);
  const printed = await tryCommands(first);
  expect(printed).toContain('"balance":"100.0000"');
  expect(printed).toContain('"balance": "100.0000"');
  first.child.kill("SIGINT");
  expect(await first.exit, first.output()).toBe(0);
  const second = start();
  const { rest } = await addresses(second);
  const wallets = await fetch(`${rest}/users/alice/wallets`);
  expect(await wallets.json()).toMatchObject([{ user_id: "alice", balance: "100.0000" }]);
  const refused = start();
  expect(await refused.exit).toBe(1);
  expect(refused.output()).toMatch(/^Pelikuni is already running, pid \d+/);
});

test.for(Object.keys(freePorts))(
  "a taken port is told together with %s, and nothing stays behind",
  async (variable) => {
    const { server, port } = await listen();
    try {
      const run = start({ [variable]: String(port) });
      expect(await run.exit).toBe(1);
      expect(run.output()).toContain(`Port ${port}`);
      expect(run.output()).toContain(variable);
      await expect(access(path.join(directory, "data/postmaster.pid"))).rejects.toThrow("ENOENT");
    } finally {
      server.close();
    }
  },
);

test("mistakes in the configuration of any part are told before anything starts", async () => {
  for (const section of ["LOCAL", "WALLET_SERVICE", "HISTORY_SERVICE", "GATEWAY"]) {
    const run = start({ [`APP__${section}__NONSENSE`]: "1" });
    expect(await run.exit).toBe(1);
    expect(run.output()).toContain(`.nonsense (variable APP__${section}__NONSENSE): unknown key`);
  }
  await expect(access(path.join(directory, "data"))).rejects.toThrow("ENOENT");
});
