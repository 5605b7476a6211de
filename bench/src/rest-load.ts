import { answerTasks } from "./child-run.ts";
import { openHttpConnection } from "./http-connection.ts";
import { loadTaskSchema, runLoad } from "./load.ts";
import { transferRequest } from "./transfer-request.ts";

answerTasks(async (message) => {
  const task = loadTaskSchema.parse(message);
  const connections = await Promise.all(
    Array.from({ length: task.callers }, () => openHttpConnection(task.port)),
  );
  try {
    return await runLoad(task, async (caller, transfer) => {
      await connections[caller]?.send(transferRequest(transfer, task));
    });
  } finally {
    for (const connection of connections) connection.close();
  }
});
