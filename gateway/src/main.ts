import { loadConfiguration } from "@pelikuni/runtime/configuration";
import { runUntilSignal } from "@pelikuni/runtime/lifecycle";
import { gatewaySchema, startGateway } from "./start-gateway.ts";

await runUntilSignal({
  name: "gateway",
  stopDeadlineMs: 15_000,
  start: (logger) => {
    const configuration = loadConfiguration("gateway", gatewaySchema);
    return startGateway({ configuration, logger });
  },
});
