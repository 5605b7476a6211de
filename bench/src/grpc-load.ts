import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { answerTasks } from "./child-run.ts";
import { openGrpcConnection } from "./grpc-connection.ts";
import { loadTaskSchema, runLoad } from "./load.ts";
import { transferBytes } from "./transfer-request.ts";

const { transfer } = WalletService.method;

answerTasks(async (message) => {
  const task = loadTaskSchema.parse(message);
  const connection = openGrpcConnection(task.port, task.token);
  try {
    return await runLoad(task, async (_caller, wanted) => {
      await connection.call(transfer, transferBytes(wanted));
    });
  } finally {
    connection.close();
  }
});
