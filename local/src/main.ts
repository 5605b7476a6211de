import { parseArgs } from "node:util";
import { gatewaySchema } from "@pelikuni/gateway/start-gateway";
import { authSchema } from "@pelikuni/runtime/access/auth-configuration";
import { loadConfiguration } from "@pelikuni/runtime/configuration";
import { kafkaSchema } from "@pelikuni/runtime/kafka";
import { runUntilSignal } from "@pelikuni/runtime/lifecycle";
import { createLogger, logSchema } from "@pelikuni/runtime/logger";
import { OperatorError } from "@pelikuni/runtime/operator-error";
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
    const { kafka: withKafka } = readArguments();
    const everything = await startEverything({
      local: loadConfiguration("local", localSchema),
      walletService: loadConfiguration("wallet_service", localWalletServiceSchema),
      historyService: loadConfiguration("history_service", localHistoryServiceSchema),
      gateway: loadConfiguration("gateway", gatewaySchema),
      auth: loadConfiguration("auth", authSchema),
      kafka: loadConfiguration("kafka", kafkaSchema),
      withKafka,
      createLogger: (name) => createLogger(name, log),
    });
    process.stdout.write(describeAddresses(everything));
    return everything;
  },
});

function readArguments(): { kafka: boolean } {
  try {
    return parseArgs({ options: { kafka: { type: "boolean", default: false } } }).values;
  } catch {
    throw new OperatorError("npm start knows one argument: npm start -- --kafka");
  }
}
