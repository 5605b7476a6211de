import { createLogger } from "@pelikuni/runtime/logger";
import { expect, test } from "vitest";
import { SourceNotReady, startEventSource } from "./event-source.ts";
import { createSourceHealth } from "./source-health.ts";

test("a source that is not ready warns nobody; the first failure of an outage does, and again after progress", async () => {
  const logged: string[] = [];
  const write = (line: string): void => void logged.push(JSON.parse(line).level);
  const logger = createLogger("test", { level: "debug", format: "json" }, { write });
  const health = createSourceHealth(() => 1);
  const outcomes = ["loading", "loading", "away", "away", "progress", "away"];
  const source = startEventSource({
    async readOn(stop, onProgress) {
      const outcome = outcomes.shift();
      if (outcome === "loading") throw new SourceNotReady("It is loading.");
      if (outcome === "away") throw new Error("It is away.");
      if (outcome === "progress") return onProgress();
      await new Promise((resolve) => stop.addEventListener("abort", resolve));
    },
    health,
    logger,
    random: () => 0,
  });
  await expect.poll(() => outcomes.length, { timeout: 5_000 }).toBe(0);
  expect(logged).toEqual(["debug", "debug", "warn", "debug", "warn"]);
  await source[Symbol.asyncDispose]();
});
