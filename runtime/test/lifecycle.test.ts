import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly exit: Promise<number | null>;
}

const script = path.join(import.meta.dirname, "lifecycle-process.ts");

function run(behaviour: string, environment: Record<string, string> = {}): Run {
  const args = ["--conditions=source", "--import", "tsx/esm", script, behaviour];
  const child = spawn(process.execPath, args, { env: { PATH: "", ...environment } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const exit = once(child, "close").then(([code]: (number | null)[]) => code ?? null);
  return { child, output: () => output, exit };
}

async function waitFor(run: Run, text: string): Promise<void> {
  await expect.poll(run.output, { timeout: 20_000, interval: 20 }).toContain(text);
}

test.for(["SIGTERM", "SIGINT"] as const)(
  "%s disposes what was started, and the process ends with 0",
  async (signal) => {
    const process = run("drain");
    await waitFor(process, "started");
    process.child.kill(signal);
    expect(await process.exit).toBe(0);
    expect(process.output()).toMatch(/stopping[\s\S]*Stopped/);
  },
);

test("a second signal forces the end with 1, but not the same Ctrl-C that arrives twice", async () => {
  const process = run("hang");
  await waitFor(process, "started");
  process.child.kill("SIGINT");
  // Another one of the same moment; two of one name could be merged on their way.
  process.child.kill("SIGTERM");
  await waitFor(process, "stopping");
  // The one wait for time in these tests: what is tested is that nothing happens meanwhile.
  await delay(600);
  expect(process.child.exitCode).toBeNull();
  process.child.kill("SIGINT");
  expect(await process.exit).toBe(1);
  expect(process.output()).toContain("Second signal");
});

test("a stop past its deadline is forced, with 1", async () => {
  const process = run("deadline");
  await waitFor(process, "started");
  process.child.kill("SIGTERM");
  expect(await process.exit).toBe(1);
  expect(process.output()).toContain("Not stopped within the deadline");
});

test("a start that the operator can mend is told in its words, without a stack, with 1", async () => {
  const process = run("refuse");
  expect(await process.exit).toBe(1);
  expect(process.output()).toBe("Port 8000 is taken\n");
});

test("a start that fails is told with its stack, and ends although a timer is left", async () => {
  const process = run("fail");
  expect(await process.exit).toBe(1);
  expect(process.output()).toMatch(/unexpected fault.*lifecycle-process\.ts/);
});

test("a mistake in the log's own configuration is told, with 1", async () => {
  const process = run("drain", { APP__LOG__LEVEL: "loud" });
  expect(await process.exit).toBe(1);
  expect(process.output()).toMatch(/log\.level \(variable APP__LOG__LEVEL\)/);
});

test("when whoever reads the log is gone, everything stops in order", async () => {
  const process = run("talk");
  await waitFor(process, "started");
  process.child.stdout?.destroy();
  expect(await process.exit).toBe(0);
});
