import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { z } from "zod";
import { answerTasks } from "./child-run.ts";
import { openGrpcConnection } from "./grpc-connection.ts";
import { type HttpConnection, openHttpConnection } from "./http-connection.ts";
import { choosePair, type Run, runOf } from "./measurement.ts";
import { runPaced } from "./pacer.ts";
import { transferBytes, transferRequest } from "./transfer-request.ts";

/** What a process is told that makes transfers at a steady rate, as one client among others. */
export const calmTaskSchema = z.object({
  protocol: z.enum(["gRPC", "REST"]),
  port: z.number(),
  token: z.string(),
  walletIds: z.array(z.string()),
  perSecond: z.number(),
  durationMs: z.number(),
});

/** What a process is told that makes transfers at a steady rate, as one client among others. */
export type CalmTask = z.output<typeof calmTaskSchema>;

type MakeTransfer = (transfer: { readonly from: string; readonly to: string }) => Promise<void>;

const inFlightMax = 1_000;
const warmUpMs = 1_000;

answerTasks(async (message) => {
  const task = calmTaskSchema.parse(message);
  const client = task.protocol === "gRPC" ? grpcClient(task) : restClient(task);
  try {
    const warmUp = await runCalm({ ...task, durationMs: warmUpMs }, client.transfer);
    const run = await runCalm(task, client.transfer);
    return { ...run, calls: warmUp.calls + run.calls };
  } finally {
    client.close();
  }
});

/** Its calls are to succeed, whatever others do: one that is refused ends the run. */
async function runCalm(
  { walletIds, perSecond, durationMs }: CalmTask,
  transfer: MakeTransfer,
): Promise<Run & { readonly calls: number }> {
  const latenciesMs: number[] = [];
  const answeredPerSecond = await runPaced({
    perSecond,
    durationMs,
    inFlightMax,
    call: async () => {
      const [from, to] = choosePair("uniform");
      const startMs = performance.now();
      await transfer({ from: walletIds[from] ?? "", to: walletIds[to] ?? "" });
      latenciesMs.push(performance.now() - startMs);
    },
  });
  return { ...runOf(latenciesMs, durationMs), perSecond: answeredPerSecond };
}

function grpcClient({ port, token }: CalmTask): { transfer: MakeTransfer; close: () => void } {
  const connection = openGrpcConnection(port, token);
  return {
    transfer: async (transfer) => {
      await connection.call(WalletService.method.transfer, transferBytes(transfer));
    },
    close: connection.close,
  };
}

/** As many connections as it has requests at once, as clients do that keep them open. */
function restClient({ port, token }: CalmTask): { transfer: MakeTransfer; close: () => void } {
  const all: HttpConnection[] = [];
  const idle: HttpConnection[] = [];
  const connect = async (): Promise<HttpConnection> => {
    const connection = await openHttpConnection(port);
    all.push(connection);
    return connection;
  };
  return {
    transfer: async (transfer) => {
      const connection = idle.pop() ?? (await connect());
      await connection.send(transferRequest(transfer, { port, token }));
      idle.push(connection);
    },
    close: () => {
      for (const connection of all) connection.close();
    },
  };
}
