import postgres from "postgres";
import { z } from "zod";
import { answerTasks } from "./child-run.ts";
import { choosePair, runCallers } from "./measurement.ts";

const taskSchema = z.object({
  url: z.string(),
  clients: z.number(),
  durationMs: z.number(),
  workload: z.enum(["uniform", "hot"]),
});

const warmUpMs = 500;

// What pgbench does, where there is no pgbench: each client one prepared call after the other.
answerTasks(async (message) => {
  const { url, clients, durationMs, workload } = taskSchema.parse(message);
  const sql = postgres(url, { max: clients });
  try {
    const call = async (): Promise<void> => {
      const [from, to] = choosePair(workload);
      await sql`select plain_transfer(${from + 1}, ${to + 1}, 0.01)`;
    };
    // Connecting does not count.
    await runCallers({ callers: clients, durationMs: warmUpMs, call });
    return await runCallers({ callers: clients, durationMs, call });
  } finally {
    await sql.end({ timeout: 1 });
  }
});
