import { gatewaySchema } from "@pelikuni/gateway/start-gateway";
import { loadConfiguration } from "@pelikuni/runtime/configuration";
import { runUntilSignal } from "@pelikuni/runtime/lifecycle";
import { walletServiceSchema } from "@pelikuni/wallet-service/start-wallet-service";
import { localSchema, startEverything } from "./start-everything.ts";
import { describeAddresses } from "./welcome.ts";

const stopDeadlineMs = 30_000;

await runUntilSignal({
  name: "pelikuni",
  stopDeadlineMs,
  start: async (logger) => {
    const everything = await startEverything({
      local: loadConfiguration("local", localSchema),
      walletService: loadConfiguration("wallet_service", walletServiceSchema),
      gateway: loadConfiguration("gateway", gatewaySchema),
      logger,
    });
    process.stdout.write(describeAddresses(everything));
    return everything;
  },
});
