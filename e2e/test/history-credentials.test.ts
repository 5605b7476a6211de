import { randomBytes } from "node:crypto";
import { type Client, Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { ApiKeyService } from "@pelikuni/gen/auth/v1/api_key_service_pb";
import { HistoryService } from "@pelikuni/gen/history/v1/history_service_pb";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { authSchema } from "@pelikuni/runtime/access/auth-configuration";
import { withCredentials } from "@pelikuni/runtime/access/call-credentials";
import { createLogger } from "@pelikuni/runtime/logger";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import { errorReason } from "@pelikuni/runtime/rpc-errors";
import { expect, test } from "vitest";
import { startHistory, startWallets, transportTo } from "../src/history-bed.ts";
import { runHistoryCommand } from "../src/history-command.ts";
import { audience, startIdentityProvider } from "../src/identity-provider.ts";
import { resourceOf } from "../src/identity-provider-settings.ts";
import { startTcpProxy, type TcpProxy } from "../src/tcp-proxy.ts";
import { createTestDatabase } from "../src/test-database.ts";

const keptMs = 10_000;
const initialKey = chooseSecret();
const historyKey = chooseSecret();

/** Both services, which ask who is calling, and a proxy on history's way to the wallet-service. */
interface Bed extends AsyncDisposable {
  readonly historyGrpcPort: number;
  readonly proxy: TcpProxy;
  /** What history has logged. */
  readonly logged: string[];
  /** How far history's clock is ahead. */
  readonly clock: { aheadMs: number };
  /** Whoever has this secret, or token. */
  as(secret: string): Clients;
  createKey(scopes: string[]): Promise<{ id: string; secret: string }>;
}

interface Clients {
  readonly keys: Client<typeof ApiKeyService>;
  readonly wallets: Client<typeof WalletService>;
  readonly history: Client<typeof HistoryService>;
}

function chooseSecret(): string {
  return `pelikuni_${randomBytes(24).toString("hex")}`;
}

/**
 * @param credentials of the history-service
 * @param issuers whose tokens are accepted beside keys
 */
async function startBed(credentials: object, issuers: object[] = []): Promise<Bed> {
  return await buildWithResources(async (resources) => {
    const given = { initial_api_key: initialKey, initial_history_api_key: historyKey };
    const auth = authSchema.parse({ issuers, api_keys: true, ...given });
    const logged: string[] = [];
    const sink = { write: (line: string) => void logged.push(line) };
    const logger = createLogger("test", { level: "debug", format: "json" }, sink);
    const clock = { aheadMs: 0 };
    const now = (): number => Date.now() + clock.aheadMs;
    const walletDatabase = resources.use(await createTestDatabase());
    const historyDatabase = resources.use(await createTestDatabase());
    const wallet = resources.use(await startWallets(walletDatabase, { auth }));
    const target = { host: "127.0.0.1", port: wallet.grpcPort };
    const proxy = resources.use(await startTcpProxy(target));
    const options = { auth, logger, credentials, now, walletGrpcPort: proxy.port };
    const history = resources.use(await startHistory(historyDatabase, options));
    const walletTransport = resources.use(transportTo(wallet.grpcPort));
    const historyTransport = resources.use(transportTo(history.grpcPort));
    const as = (secret: string): Clients => {
      const authorized = (transport: Transport): Transport =>
        withCredentials(transport, { api_key: secret }, { now: Date.now, logger });
      return {
        keys: createClient(ApiKeyService, authorized(walletTransport)),
        wallets: createClient(WalletService, authorized(walletTransport)),
        history: createClient(HistoryService, authorized(historyTransport)),
      };
    };
    return {
      historyGrpcPort: history.grpcPort,
      proxy,
      logged,
      clock,
      as,
      async createKey(scopes) {
        const { apiKey, secret } = await as(initialKey).keys.createApiKey({
          owner: "auditor",
          scopes,
        });
        return { id: apiKey?.id ?? "", secret };
      },
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

/** Reads the history of a new wallet, once it is there. */
async function seeEvents(bed: Bed): Promise<void> {
  const { wallets, history } = bed.as(initialKey);
  const { wallet, receipt } = await wallets.createWallet({ userId: "alice" });
  const minPosition = receipt?.position ?? 0n;
  const { entries } = await history.listEntries({ walletId: wallet?.id ?? "", minPosition });
  expect(entries).toMatchObject([{ balance: "0.0000" }]);
}

/** Code and reason of what a call fails with. */
async function refusalOf(call: Promise<unknown>): Promise<[Code, string | undefined]> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => ConnectError.from(error),
  );
  if (outcome === undefined) throw new Error("The call did not fail.");
  return [outcome.code, errorReason(outcome)];
}

test("history takes in events with a key of its own, and asks the wallet-service for others'", async () => {
  await using bed = await startBed({ api_key: historyKey });
  await seeEvents(bed);
  const reader = await bed.createKey(["history:read"]);
  const { history, wallets } = bed.as(reader.secret);
  await history.getCompleteness({});
  const notAllowed = [Code.PermissionDenied, "PERMISSION_DENIED"];
  expect(await refusalOf(wallets.listWallets({}))).toEqual(notAllowed);
  const other = await bed.createKey(["wallets:read"]);
  expect(await refusalOf(bed.as(other.secret).history.getCompleteness({}))).toEqual(notAllowed);
  const unknown = [Code.Unauthenticated, "UNAUTHENTICATED"];
  expect(await refusalOf(bed.as(chooseSecret()).history.getCompleteness({}))).toEqual(unknown);

  await bed.as(initialKey).keys.revokeApiKey({ id: reader.id });
  await history.getCompleteness({});
  bed.clock.aheadMs = keptMs;
  expect(await refusalOf(history.getCompleteness({}))).toEqual(unknown);
  // Its own key can do nothing else.
  const { wallets: byHistory } = bed.as(historyKey);
  expect(await refusalOf(byHistory.createWallet({ userId: "mallory" }))).toEqual(notAllowed);
});

test("reads that wait for what has not happened yet leave room for their caller's others", async () => {
  await using bed = await startBed({ api_key: historyKey });
  const { wallets, history } = bed.as(initialKey);
  const { wallet, receipt } = await wallets.createWallet({ userId: "alice" });
  const walletId = wallet?.id ?? "";
  await history.listEntries({ walletId, minPosition: receipt?.position ?? 0n });
  let ended = 0;
  const waiting = Array.from({ length: 20 }, () => {
    const read = history.listEntries({ walletId, minPosition: 1_000_000n }, { timeoutMs: 3_000 });
    return refusalOf(read).finally(() => {
      ended += 1;
    });
  });
  await history.listEntries({ walletId });
  expect(ended).toBe(0);
  const incomplete = [Code.Unavailable, "NOT_COMPLETE_YET"];
  expect(await Promise.all(waiting)).toEqual(waiting.map(() => incomplete));
});

test("while the wallet-service is away keys of the last ten seconds go on, and no other is called wrong", async () => {
  await using bed = await startBed({ api_key: historyKey });
  const known = await bed.createKey(["history:read"]);
  const other = await bed.createKey(["history:read"]);
  const { history } = bed.as(known.secret);
  await history.getCompleteness({});
  await bed.proxy.setMode("refuse");
  await history.getCompleteness({});
  const unavailable = [Code.Unavailable, "WALLET_SERVICE_UNAVAILABLE"];
  expect(await refusalOf(bed.as(other.secret).history.getCompleteness({}))).toEqual(unavailable);
  bed.clock.aheadMs = keptMs;
  expect(await refusalOf(history.getCompleteness({}))).toEqual(unavailable);
  expect(bed.logged.join("")).toContain("The wallet-service could not be asked about API keys.");

  await bed.proxy.setMode("forward");
  await expect.poll(() => history.getCompleteness({}).catch(() => undefined)).toBeDefined();
  await bed.as(other.secret).history.getCompleteness({});
});

test("a history-service that is refused blames no caller for it, and its log says so", async () => {
  await using bed = await startBed({ api_key: chooseSecret() });
  const reader = await bed.createKey(["history:read"]);
  expect(await refusalOf(bed.as(reader.secret).history.getCompleteness({}))).toEqual([
    Code.Unavailable,
    "WALLET_SERVICE_UNAVAILABLE",
  ]);
  expect(bed.logged.join("")).toContain("could not be asked about API keys");
  const broken = () => bed.logged.filter((line) => line.includes("broke off"));
  // It tries again ever more rarely, and says so once.
  await expect
    .poll(() => broken().some((line) => line.includes('"failures":3')), { timeout: 20_000 })
    .toBe(true);
  const warnings = broken().filter((line) => line.includes('"level":"warn"'));
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain("history_service.wallet_service_credentials");
});

test("history takes in events with tokens of an OpenID provider, also while that one is away", async () => {
  const scopes = ["history:read", "api_keys:check"];
  await using provider = await startIdentityProvider(scopes, ["history-service"]);
  const client = {
    token_url: `${provider.issuer}/token`,
    client_id: "history-service",
    client_secret: provider.machineSecret("history-service"),
    scope: scopes.join(" "),
    fields: { resource: resourceOf(audience, "RS256") },
  };
  const issuer = { issuer: provider.issuer, audience };
  await using bed = await startBed({ client_credentials: client }, [issuer]);
  await seeEvents(bed);
  await provider.stop();
  await seeEvents(bed);
  expect(bed.logged.join("")).not.toContain(client.client_secret);
});

test("reconcile and verify-journal say who they are by the section commands", async () => {
  await using bed = await startBed({ api_key: historyKey });
  await seeEvents(bed);
  const { secret } = await bed.createKey(["history:read"]);
  const address = `127.0.0.1:${bed.historyGrpcPort}`;
  for (const command of ["reconcile", "verify-journal"]) {
    const asked = await runHistoryCommand(command, address, { APP__COMMANDS__API_KEY: secret });
    expect(asked, asked.output).toMatchObject({ code: 0 });
    const refused = await runHistoryCommand(command, address);
    expect(refused).toMatchObject({ code: 2, output: expect.stringContaining("unauthenticated") });
    expect(refused.output).toContain("APP__COMMANDS__API_KEY");
  }
});
