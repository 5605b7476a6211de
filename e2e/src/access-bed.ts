import { gatewaySchema, startGateway } from "@pelikuni/gateway/start-gateway";
import { authSchema } from "@pelikuni/runtime/access/auth-configuration";
import { createLogger } from "@pelikuni/runtime/logger";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import { vi } from "vitest";
import { type HistoryBed, startHistoryBed } from "./history-bed.ts";
import { audience, type IdentityProvider, startIdentityProvider } from "./identity-provider.ts";
import { resourceOf } from "./identity-provider-settings.ts";
import type { OwnerSql } from "./journal-audit.ts";
import { httpWays, type RpcWay } from "./rpc-ways.ts";

/** All scopes that there are. */
export const allScopes = [
  "wallets:read",
  "wallets:write",
  "wallets:fund",
  "wallets:withdraw",
  "wallets:freeze",
  "transfers:write",
  "transactions:write",
  "transactions:reverse",
  "holds:write",
  "history:read",
  "admin",
  "api_keys:check",
];

/** The user whose things are tried, who signs in as himself; machines may be called like him. */
export const alice = "alice";

/**
 * Both services and the gateway, which ask who calls, and two providers that can tell. History has
 * one parked message.
 */
export interface AccessBed extends AsyncDisposable {
  /** Signs users in; the subjects of its tokens own wallets. */
  readonly people: IdentityProvider;
  /** Gives tokens to machines; their subjects own nothing, whatever they are called. */
  readonly machines: IdentityProvider;
  readonly history: HistoryBed;
  /** A machine's token with all scopes. */
  readonly operatorToken: string;
  /** Headers with it. */
  readonly asOperator: { readonly headers: { readonly authorization: string } };
  /** The protocols in which each service is called. */
  readonly walletWays: readonly RpcWay[];
  readonly historyWays: readonly RpcWay[];
  /** The gateway's address. */
  readonly origin: string;
  /** Waits until history has all that the wallet-service has. */
  settle(): Promise<void>;
  /** All that RPCs can write; the same text as long as none has written anything. */
  readWritten(): Promise<string>;
}

const historyClient = "history-service";
const parkedTables = ["parked_events", "parked_event_replays"];
const settling = { timeout: 10_000, interval: 5 };

/**
 * Starts everything.
 *
 * @param settings of the section `auth`, beside the issuers
 */
export async function startAccessBed(settings: object = {}): Promise<AccessBed> {
  return await buildWithResources(async (resources) => {
    const people = resources.use(await startIdentityProvider(allScopes, [alice]));
    const machines = resources.use(
      await startIdentityProvider(allScopes, ["operator", historyClient, alice]),
    );
    const issuers = [
      { issuer: people.issuer, audience },
      { issuer: machines.issuer, audience, users: false },
    ];
    const auth = authSchema.parse({ issuers, api_keys: true, ...settings });
    const credentials = credentialsFrom(machines);
    const history = resources.use(await startHistoryBed({ auth, credentials }));
    const gateway = resources.use(await startGatewayTo(history));
    const operatorToken = await machines.machineToken("operator", { scopes: allScopes });
    const asOperator = { headers: { authorization: `Bearer ${operatorToken}` } };
    await history.historyOwner`
      insert into parked_events (topic, partition, message_offset, value, reason)
      values ('wallet-events', 0, 0, 'poison', 'of a test')`;
    const walletTables = await readTableNames(history.walletOwner);
    const { walletTransport, historyTransport } = history;
    return {
      people,
      machines,
      history,
      operatorToken,
      asOperator,
      walletWays: [
        { name: "gRPC", transport: walletTransport },
        ...httpWays(history.walletHttpPort),
      ],
      historyWays: [
        { name: "gRPC", transport: historyTransport },
        ...httpWays(history.historyHttpPort),
      ],
      origin: `http://127.0.0.1:${gateway.port}`,
      settle: async () => {
        const { position } = await history.wallets.getLastPosition({}, asOperator);
        const completeTo = async (): Promise<bigint> =>
          (await history.history.getCompleteness({}, asOperator)).completeTo;
        await vi.waitUntil(async () => (await completeTo()) >= position, settling);
      },
      readWritten: async () => {
        // What history takes in follows the journal; what its RPCs write stands apart.
        const parked = await fingerprint(history.historyOwner, parkedTables);
        return `${await fingerprint(history.walletOwner, walletTables)}/${parked}`;
      },
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

function startGatewayTo(history: HistoryBed): ReturnType<typeof startGateway> {
  return startGateway({
    configuration: gatewaySchema.parse({
      port: 0,
      wallet_service_address: `127.0.0.1:${history.walletGrpcPort}`,
      history_service_address: `127.0.0.1:${history.historyGrpcPort}`,
    }),
    logger: createLogger("test", { level: "silent", format: "json" }),
  });
}

/** How the history-service gets tokens for the wallet-service. */
function credentialsFrom(machines: IdentityProvider): object {
  return {
    client_credentials: {
      token_url: `${machines.issuer}/token`,
      client_id: historyClient,
      client_secret: machines.machineSecret(historyClient),
      scope: "history:read api_keys:check",
      fields: { resource: resourceOf(audience, "RS256") },
    },
  };
}

async function readTableNames(owner: OwnerSql): Promise<string[]> {
  const tables = await owner<{ name: string }[]>`
    select tablename as name from pg_tables where schemaname = 'public'`;
  return tables.map(({ name }) => name);
}

/** A text that changes with any row of these tables. */
async function fingerprint(owner: OwnerSql, tables: readonly string[]): Promise<string> {
  const sums = tables.map((name) =>
    // Its rows never change, and are long.
    name === "journal"
      ? `(select max(first_position + event_count) from ${name})`
      : `(select count(*) || '.' || coalesce(sum(hashtextextended(t::text, 0)), 0) from ${name} t)`,
  );
  const [row] = await owner.unsafe<{ text: string }[]>(
    `select concat_ws(' ', ${sums.join(", ")}) as text`,
  );
  return row?.text ?? "";
}
