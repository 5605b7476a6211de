import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { createServiceImplSpec, type ServiceImpl } from "@connectrpc/connect";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { authSchema } from "@pelikuni/runtime/access/auth-configuration";
import { createLogger } from "@pelikuni/runtime/logger";
import { rpcLimitsSchema, startRpcServer } from "@pelikuni/runtime/rpc-server";

const time = timestampFromMs(Date.UTC(2026, 0, 1));
const wallet = {
  id: "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1",
  userId: "bench",
  currency: "USD",
  balance: "1000000.0000",
  held: "0.0000",
  available: "1000000.0000",
  status: WalletStatus.ACTIVE,
  version: 1n,
  createTime: time,
  updateTime: time,
};
const receipt = { transactionId: wallet.id, position: 1n, occurredAt: time };
const handlers: Partial<ServiceImpl<typeof WalletService>> = {
  transfer: async () => ({ receipt, fromWallet: wallet, toWallet: wallet }),
};

// The whole RPC server with its checks and limits, and a handler that does no work: what an RPC
// costs before any money moves.
const server = await startRpcServer({
  services: [
    {
      spec: createServiceImplSpec(WalletService, handlers),
      addRoutes: (router) => router.service(WalletService, handlers),
    },
  ],
  descriptorSet: await readFile(
    fileURLToPath(import.meta.resolve("@pelikuni/gen/descriptors.binpb")),
  ),
  grpc: { host: "127.0.0.1", port: 0 },
  http: { host: "127.0.0.1", port: 0, corsOrigins: [] },
  limits: rpcLimitsSchema.parse({}),
  access: { auth: authSchema.parse({}) },
  logger: createLogger("empty", { level: "warn", format: "json" }),
});
process.stdout.write(`port ${server.grpcPort}\n`);
