import { randomUUID } from "node:crypto";
import { answerTask } from "./child-run.ts";
import { openHttpConnection } from "./http-connection.ts";
import { loadTaskSchema, runLoad, type Transfer, transferredAmount } from "./load.ts";

answerTask(async (message) => {
  const task = loadTaskSchema.parse(message);
  const connections = await Promise.all(
    Array.from({ length: task.callers }, () => openHttpConnection(task.port)),
  );
  try {
    return await runLoad(task, async (caller, transfer) => {
      await connections[caller]?.send(requestOf(transfer, task.port));
    });
  } finally {
    for (const connection of connections) connection.close();
  }
});

function requestOf({ from, to }: Transfer, port: number): string {
  const body = JSON.stringify({ to_wallet_id: to, amount: transferredAmount });
  return [
    `POST /wallets/${from}/transfer HTTP/1.1`,
    `Host: localhost:${port}`,
    "Content-Type: application/json",
    `Content-Length: ${body.length}`,
    `Idempotency-Key: ${randomUUID()}`,
    "",
    body,
  ].join("\r\n");
}
