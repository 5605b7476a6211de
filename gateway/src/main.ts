import { assertNotExposed, authSchema, isOpen } from "@pelikuni/runtime/access/auth-configuration";
import { loadConfiguration } from "@pelikuni/runtime/configuration";
import { runUntilSignal } from "@pelikuni/runtime/lifecycle";
import { gatewaySchema, startGateway } from "./start-gateway.ts";

await runUntilSignal({
  name: "gateway",
  stopDeadlineMs: 15_000,
  start: (logger) => {
    const configuration = loadConfiguration("gateway", gatewaySchema);
    // The services decide who may do what. Where they ask nobody, the gateway opens them to all who
    // reach it.
    const auth = loadConfiguration("auth", authSchema);
    assertNotExposed(auth, [configuration.host]);
    return startGateway({ configuration, logger, open: isOpen(auth) });
  },
});
