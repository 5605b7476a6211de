import { randomBytes } from "node:crypto";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { ApiKeyService } from "@pelikuni/gen/auth/v1/api_key_service_pb";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { authSchema } from "@pelikuni/runtime/access/auth-configuration";
import { withCredentials } from "@pelikuni/runtime/access/call-credentials";
import { createLogger } from "@pelikuni/runtime/logger";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import { createGrpcTransport } from "@pelikuni/runtime/rpc-transport";
import type { TestDatabase } from "../../e2e/src/test-database.ts";
import { quiet } from "./test-engine.ts";
import { type ServiceBed, startServiceBed } from "./test-service.ts";

/** What somebody may call. */
export interface Machine {
  readonly keys: Client<typeof ApiKeyService>;
  readonly wallets: Client<typeof WalletService>;
}

/** A wallet-service that takes API keys alone. */
export interface ApiKeyBed extends AsyncDisposable {
  readonly service: ServiceBed;
  readonly database: TestDatabase;
  /** The secret that its configuration gives. */
  readonly initialKey: string;
  /** Lines of its log. */
  readonly logged: string[];
  /** Whoever has this secret. */
  machine(secret: string): Machine;
  /** Creates a key with the initial one. */
  create(scopes: string[], owner?: string): Promise<{ id: string; secret: string }>;
}

/** In what a service differs from others. */
export interface ApiKeyBedOptions {
  /** The database of another one, whose replica it is. */
  readonly shared?: TestDatabase;
  readonly now?: () => number;
  /** Keys of the section `auth`. */
  readonly auth?: object;
  /** Keys of the section `wallet_service`. */
  readonly settings?: object;
}

/** A secret as an operator makes it: `openssl rand -hex 24`. */
export function chooseSecret(): string {
  return `pelikuni_${randomBytes(24).toString("hex")}`;
}

/** Starts one; its configuration gives a key, unless `auth` says otherwise. */
export async function startApiKeyBed(options: ApiKeyBedOptions = {}): Promise<ApiKeyBed> {
  return await buildWithResources(async (resources) => {
    const initialKey = chooseSecret();
    const given = { api_keys: true, initial_api_key: initialKey, ...options.auth };
    const logged: string[] = [];
    const sink = { write: (line: string) => void logged.push(line) };
    const logger = createLogger("test", { level: "trace", format: "json" }, sink);
    const { settings = {}, shared, now = Date.now } = options;
    const auth = authSchema.parse(given);
    const service = resources.use(await startServiceBed(settings, shared, now, { auth, logger }));
    const transport = resources.use(
      createGrpcTransport({
        address: `127.0.0.1:${service.grpcPort}`,
        messageBytesMax: 4 * 1024 * 1024,
        deadlineDefaultMs: 10_000,
      }),
    );
    const machine = (secret: string): Machine => {
      const credentials = { api_key: secret };
      const authorized = withCredentials(transport, credentials, { now, logger: quiet });
      return {
        keys: createClient(ApiKeyService, authorized),
        wallets: createClient(WalletService, authorized),
      };
    };
    return {
      service,
      database: service.database,
      initialKey,
      logged,
      machine,
      async create(scopes, owner = "shop") {
        const { apiKey, secret } = await machine(initialKey).keys.createApiKey({ owner, scopes });
        return { id: apiKey?.id ?? "", secret };
      },
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

/** What a call fails with. */
export async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome instanceof ConnectError) return outcome;
  throw new Error(`The call did not fail as an RPC does: ${outcome}`);
}
