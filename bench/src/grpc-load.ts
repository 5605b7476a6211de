import { randomUUID } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { Client, credentials } from "@grpc/grpc-js";
import { TransferRequestSchema, WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { answerTask } from "./child-run.ts";
import { loadTaskSchema, runLoad, type Transfer, transferredAmount } from "./load.ts";

const method = WalletService.method.transfer;
const path = `/${method.parent.typeName}/${method.name}`;

answerTask(async (message) => {
  const task = loadTaskSchema.parse(message);
  const client = new Client(`127.0.0.1:${task.port}`, credentials.createInsecure());
  try {
    return await runLoad(task, (_caller, transfer) => call(client, transfer));
  } finally {
    client.close();
  }
});

/** The answer is left as bytes: decoding it would slow the load, not the server. */
function call(client: Client, transfer: Transfer): Promise<void> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      encode,
      (bytes) => bytes,
      transfer,
      (error) => {
        if (error === null) resolve();
        else reject(error);
      },
    );
  });
}

function encode({ from, to }: Transfer): Buffer {
  const request = create(TransferRequestSchema, {
    fromWalletId: from,
    toWalletId: to,
    amount: transferredAmount,
    requestId: randomUUID(),
  });
  return Buffer.from(toBinary(TransferRequestSchema, request));
}
