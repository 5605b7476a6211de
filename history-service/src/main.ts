import { authSchema } from "@pelikuni/runtime/access/auth-configuration";
import { loadConfiguration } from "@pelikuni/runtime/configuration";
import { kafkaSchema } from "@pelikuni/runtime/kafka";
import { runUntilSignal } from "@pelikuni/runtime/lifecycle";
import { historyServiceSchema, startHistoryService } from "./start-history-service.ts";

const stopDeadlineMs = 15_000;

await runUntilSignal({
  name: "history-service",
  stopDeadlineMs,
  start: (logger) =>
    startHistoryService({
      configuration: loadConfiguration("history_service", historyServiceSchema),
      auth: loadConfiguration("auth", authSchema),
      kafka: loadConfiguration("kafka", kafkaSchema),
      logger,
    }),
});
