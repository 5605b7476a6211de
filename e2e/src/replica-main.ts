import { loadConfiguration } from "@pelikuni/runtime/configuration";
import { runUntilSignal } from "@pelikuni/runtime/lifecycle";
import {
  startWalletService,
  walletServiceSchema,
} from "@pelikuni/wallet-service/start-wallet-service";

// The wallet-service as its own main.ts runs it; this one tells its parent which port it got.
const stopDeadlineMs = 15_000;

await runUntilSignal({
  name: "wallet-service",
  stopDeadlineMs,
  start: async (logger) => {
    const configuration = loadConfiguration("wallet_service", walletServiceSchema);
    const service = await startWalletService({ configuration, logger });
    process.send?.({ grpcPort: service.grpcPort });
    return {
      async [Symbol.asyncDispose]() {
        await service[Symbol.asyncDispose]();
        if (process.connected) process.disconnect();
      },
    };
  },
});

// A replica never outlives the test that started it.
process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
