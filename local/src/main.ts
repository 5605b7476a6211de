import { gatewaySchema } from "@pelikuni/gateway/start-gateway";
import { loadConfiguration } from "@pelikuni/runtime/configuration";
import { runUntilSignal } from "@pelikuni/runtime/lifecycle";
import { createLogger, logSchema } from "@pelikuni/runtime/logger";
import {
  localHistoryServiceSchema,
  localSchema,
  localWalletServiceSchema,
  startEverything,
} from "./start-everything.ts";
import { describeAddresses } from "./welcome.ts";

const stopDeadlineMs = 30_000;

await runUntilSignal({
  name: "pelikuni",
  stopDeadlineMs,
  start: async () => {
    const log = loadConfiguration("log", logSchema);
    const everything = await startEverything({
      local: loadConfiguration("local", localSchema),
      walletService: loadConfiguration("wallet_service", localWalletServiceSchema),
      historyService: loadConfiguration("history_service", localHistoryServiceSchema),
      gateway: loadConfiguration("gateway", gatewaySchema),
      createLogger: (name) => createLogger(name, log),
    });
    process.stdout.write(describeAddresses(everything));
    return everything;
  },
});
