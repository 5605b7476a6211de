import { gatewaySchema } from "@pelikuni/gateway/start-gateway";
import { createLogger } from "@pelikuni/runtime/logger";
import { createHttpServer } from "../../gateway/src/http-server.ts";
import { problemSchema } from "../../gateway/src/rest-schema-parts.ts";
import { transfer, type WalletBody, walletSchema } from "../../gateway/src/wallet-schema.ts";

const wallet: WalletBody = {
  id: "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1",
  user_id: "bench",
  currency: "USD",
  balance: "1000000.0000",
  held: "0.0000",
  available: "1000000.0000",
  status: "ACTIVE",
  version: 1,
  create_time: "2026-01-01T00:00:00.000Z",
  update_time: "2026-01-01T00:00:00.000Z",
};

// The route of a transfer with its server, checks and serialisation, and a handler that does no
// work: what REST costs before any money moves.
const logger = createLogger("empty", { level: "warn", format: "json" });
const app = createHttpServer(gatewaySchema.parse({}), logger);
app.addSchema(walletSchema);
app.addSchema(problemSchema);
app.post("/wallets/:id/transfer", { schema: transfer }, async () => wallet);
const address = await app.listen({ host: "127.0.0.1", port: 0 });
process.stdout.write(`port ${new URL(address).port}\n`);
