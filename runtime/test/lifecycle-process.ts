// A process that lifecycle.test.ts starts: its first argument says how it behaves.
import { setTimeout as delay } from "node:timers/promises";
import { runUntilSignal } from "../src/lifecycle.ts";
import { OperatorError } from "../src/operator-error.ts";

const behaviour = process.argv[2];
const longMs = 60_000;

await runUntilSignal({
  name: "lifecycle-process",
  stopDeadlineMs: behaviour === "deadline" ? 200 : longMs,
  start: async () => {
    if (behaviour === "refuse") throw new OperatorError("Port 8000 is taken");
    if (behaviour === "fail") {
      setTimeout(() => undefined, longMs);
      throw new Error("unexpected fault");
    }
    process.stdout.write("started\n");
    const talking = setInterval(() => {
      if (behaviour === "talk") process.stdout.write("still here\n");
    }, 20);
    return {
      [Symbol.asyncDispose]: async () => {
        clearInterval(talking);
        process.stdout.write("stopping\n");
        if (behaviour !== "drain" && behaviour !== "talk") await delay(longMs);
      },
    };
  },
});
