import { loadConfiguration } from "@pelikuni/runtime/configuration";
import { runUntilSignal } from "@pelikuni/runtime/lifecycle";
import { startWalletService, walletServiceSchema } from "./start-wallet-service.ts";

const stopDeadlineMs = 15_000;

await runUntilSignal({
  name: "wallet-service",
  stopDeadlineMs,
  start: (logger) =>
    startWalletService({
      configuration: loadConfiguration("wallet_service", walletServiceSchema),
      logger,
    }),
});
