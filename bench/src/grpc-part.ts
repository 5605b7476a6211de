import type { PartOptions } from "./part.ts";
import type { PartResult } from "./report.ts";
import { measureServed } from "./served-part.ts";
import { createServedWallets } from "./served-wallets.ts";
import { startEmptyServer, startWalletService } from "./server-kinds.ts";

const callers = 64;

/** Measures transfers over gRPC by one wallet-service beside a handler without work. */
export async function measureGrpc(options: PartOptions): Promise<PartResult> {
  options.progress("grpc: starting the wallet-service and an empty handler");
  const { signal } = options;
  const database = await options.bed.createWalletDatabase("bench_grpc");
  await using service = await startWalletService(database, signal);
  await using empty = await startEmptyServer("empty-rpc-server.ts", "built", signal);
  await using wallets = await createServedWallets(service.grpcPort);
  return await measureServed(
    {
      part: "grpc",
      loadFile: "grpc-load.ts",
      callers,
      empty: { name: "the empty handler", port: empty.port },
      targets: [{ name: "wallet-service", port: service.grpcPort, wallets }],
      notes: [
        `${callers} callers over one connection, one call at a time and a request_id on each.`,
        "The empty handler has the same server, checks and limits, and answers a constant.",
      ],
    },
    options,
  );
}
