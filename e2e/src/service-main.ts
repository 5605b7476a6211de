import {
  historyServiceSchema,
  startHistoryService,
} from "@pelikuni/history-service/start-history-service";
import { authSchema } from "@pelikuni/runtime/access/auth-configuration";
import { loadConfiguration } from "@pelikuni/runtime/configuration";
import { kafkaSchema } from "@pelikuni/runtime/kafka";
import { runUntilSignal } from "@pelikuni/runtime/lifecycle";
import type { Logger } from "@pelikuni/runtime/logger";
import {
  startWalletService,
  walletServiceSchema,
} from "@pelikuni/wallet-service/start-wallet-service";

// A service as its own main.ts runs it; this one tells its parent which port it got.
const stopDeadlineMs = 15_000;

interface Service extends AsyncDisposable {
  readonly grpcPort: number;
}

const starts: Readonly<Record<string, (logger: Logger) => Promise<Service>>> = {
  "wallet-service": (logger) =>
    startWalletService({
      configuration: loadConfiguration("wallet_service", walletServiceSchema),
      auth: loadConfiguration("auth", authSchema),
      kafka: loadConfiguration("kafka", kafkaSchema),
      logger,
    }),
  "history-service": (logger) =>
    startHistoryService({
      configuration: loadConfiguration("history_service", historyServiceSchema),
      auth: loadConfiguration("auth", authSchema),
      kafka: loadConfiguration("kafka", kafkaSchema),
      logger,
    }),
};

const [name = ""] = process.argv.slice(2);
const start = starts[name];
if (start === undefined) throw new Error(`There is no service "${name}".`);

await runUntilSignal({
  name,
  stopDeadlineMs,
  start: async (logger) => {
    const service = await start(logger);
    process.send?.({ grpcPort: service.grpcPort });
    return {
      async [Symbol.asyncDispose]() {
        await service[Symbol.asyncDispose]();
        if (process.connected) process.disconnect();
      },
    };
  },
});

// A service never outlives the test that started it.
process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
