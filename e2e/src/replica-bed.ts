import { createClient } from "@connectrpc/connect";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import type { UsedKafka } from "@pelikuni/runtime/kafka";
import { buildWithResources, type ResourceStack } from "@pelikuni/runtime/resource-stack";
import { createGrpcTransport } from "@pelikuni/runtime/rpc-transport";
import postgres from "postgres";
import { type ServiceOptions, type ServiceProcess, startService } from "./service-process.ts";
import { startTcpProxy, type TcpProxy } from "./tcp-proxy.ts";
import { createTestDatabase } from "./test-database.ts";
import type { WalletClient } from "./wallet-caller.ts";

/** Several replicas on one database, which they reach through a proxy. */
export interface ReplicaBed extends AsyncDisposable {
  /** As the database's owner, past the proxy. */
  readonly owner: postgres.Sql<{ bigint: bigint }>;
  readonly proxy: TcpProxy;
  readonly replicas: readonly ServiceProcess[];
  /** One for each replica; it finds its replica again after a restart. */
  readonly clients: readonly WalletClient[];
  /** How often the replicas logged which message, those that are gone included. */
  logCounts(): Map<string, number>;
  /** Kills a replica with -9 and starts another one in its place. */
  killAndRestart(number: number): Promise<void>;
}

const messageBytesMax = 4_194_304;
const callDeadlineMs = 15_000;
const postgresPort = "5432";

/**
 * Starts replicas on an empty database, all at once, each of which migrates.
 *
 * @param given the database, by default one of the test run's server; and Kafka, by default none
 */
export async function createReplicaBed(
  count: number,
  given: {
    readonly database?: { readonly ownerUrl: string; readonly serviceUrl: string };
    readonly kafka?: UsedKafka;
  } = {},
): Promise<ReplicaBed> {
  return await buildWithResources(async (resources) => {
    const database = given.database ?? resources.use(await createTestDatabase());
    const owner = postgres(database.ownerUrl, { max: 2, types: { bigint: postgres.BigInt } });
    resources.use({ [Symbol.asyncDispose]: () => owner.end({ timeout: 1 }) });
    const target = new URL(database.serviceUrl);
    const proxy = resources.use(
      await startTcpProxy({ host: target.hostname, port: Number(target.port || postgresPort) }),
    );
    const proxied = new URL(target);
    proxied.host = `127.0.0.1:${proxy.port}`;
    const options: ServiceOptions = {
      name: "wallet-service",
      databaseUrl: proxied.href,
      migrationUrl: database.ownerUrl,
      ...(given.kafka && { kafka: given.kafka }),
    };
    const replicas = await startTogether(count, options, resources);
    const gone: ServiceProcess[] = [];
    const clients = replicas.map(({ grpcPort }) => clientOf(grpcPort, resources));
    return {
      owner,
      proxy,
      replicas,
      clients,
      logCounts: () => countTogether([...gone, ...replicas]),
      async killAndRestart(number) {
        const killed = replicas[number];
        if (killed === undefined) throw new Error(`There is no replica ${number}.`);
        await killed.kill();
        gone.push(killed);
        const { grpcPort } = killed;
        replicas[number] = resources.use(await startService({ ...options, grpcPort }));
      },
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

async function startTogether(
  count: number,
  options: ServiceOptions,
  resources: ResourceStack,
): Promise<ServiceProcess[]> {
  const started = await Promise.allSettled(
    Array.from({ length: count }, () => startService(options)),
  );
  const replicas = started.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  for (const replica of replicas) resources.use(replica);
  for (const each of started) if (each.status === "rejected") throw each.reason;
  return replicas;
}

function clientOf(grpcPort: number, resources: ResourceStack): WalletClient {
  const transport = createGrpcTransport({
    address: `127.0.0.1:${grpcPort}`,
    messageBytesMax,
    deadlineDefaultMs: callDeadlineMs,
  });
  resources.use(transport);
  return createClient(WalletService, transport);
}

function countTogether(replicas: readonly ServiceProcess[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { logCounts } of replicas) {
    for (const [text, count] of logCounts) counts.set(text, (counts.get(text) ?? 0) + count);
  }
  return counts;
}
