import { authSchema } from "@pelikuni/runtime/access/auth-configuration";
import { loadConfiguration } from "@pelikuni/runtime/configuration";
import { kafkaSchema } from "@pelikuni/runtime/kafka";
import { runUntilSignal } from "@pelikuni/runtime/lifecycle";
import { startWalletService, walletServiceSchema } from "./start-wallet-service.ts";

const stopDeadlineMs = 15_000;

await runUntilSignal({
  name: "wallet-service",
  stopDeadlineMs,
  start: (logger) =>
    startWalletService({
      configuration: loadConfiguration("wallet_service", walletServiceSchema),
      auth: loadConfiguration("auth", authSchema),
      kafka: loadConfiguration("kafka", kafkaSchema),
      logger,
    }),
});
