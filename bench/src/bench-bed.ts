import { rm } from "node:fs/promises";
import path from "node:path";
import { startEmbeddedPostgres } from "@pelikuni/local/embedded-postgres";
import { claimDirectory } from "@pelikuni/local/instance-owner";
import { findPostgresPlace } from "@pelikuni/local/postgres-place";
import type { Logger } from "@pelikuni/runtime/logger";
import { migrate } from "@pelikuni/runtime/migrations";
import { OperatorError } from "@pelikuni/runtime/operator-error";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import postgres from "postgres";
import { projectDirectory } from "./server-process.ts";

/** A database of the benchmark, with the roles as in production. */
export interface BenchDatabase {
  /** As the owner, who migrates. */
  readonly ownerUrl: string;
  /** As the services' role. */
  readonly serviceUrl: string;
}

/** One embedded Postgres for the whole benchmark; disposing removes its data. */
export interface BenchBed extends AsyncDisposable {
  /** For example "18.4". */
  readonly postgresVersion: string;
  /** Whether commits wait for the disk: "on", unless somebody changed the server. */
  readonly fsync: string;
  /** Makes an empty database, in the place of one that an earlier, killed run left. */
  createDatabase(name: string): Promise<BenchDatabase>;
  /** Makes a database with the wallet-service's schema. */
  createWalletDatabase(name: string): Promise<BenchDatabase>;
}

const migrationLockTimeoutMs = 10_000;
// Below the project, where `npm start` keeps its data too: in many systems /tmp is no disk.
const dataDirectory = path.join(projectDirectory, ".pelikuni/bench");

/** Starts the server on a directory of its own. */
export async function createBenchBed(logger: Logger): Promise<BenchBed> {
  return await buildWithResources(async (resources) => {
    resources.use({ [Symbol.asyncDispose]: () => removePostgresData(dataDirectory) });
    const server = resources.use(await startEmbeddedPostgres({ directory: dataDirectory, logger }));
    const admin = postgres(server.ownerUrl("postgres"), { max: 1, onnotice: () => undefined });
    resources.use({ [Symbol.asyncDispose]: () => admin.end({ timeout: 1 }) });
    const [facts] = await admin<{ version: string; fsync: string }[]>`
      select current_setting('server_version') as version, current_setting('fsync') as fsync`;

    async function createDatabase(name: string): Promise<BenchDatabase> {
      await admin`drop database if exists ${admin(name)} with (force)`;
      await server.createDatabase(name);
      return { ownerUrl: server.ownerUrl(name), serviceUrl: server.serviceUrl(name) };
    }

    return {
      postgresVersion: facts?.version ?? "unknown",
      fsync: facts?.fsync ?? "unknown",
      createDatabase,
      async createWalletDatabase(name) {
        const database = await createDatabase(name);
        await migrate({
          url: database.ownerUrl,
          directory: path.join(projectDirectory, "wallet-service/migrations"),
          logger,
          lockTimeoutMs: migrationLockTimeoutMs,
          serviceRole: new URL(database.serviceUrl).username,
        });
        return database;
      },
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

/** Removes what an embedded Postgres left in its directory, unless somebody else works there. */
export async function removePostgresData(directory: string): Promise<void> {
  const place = findPostgresPlace(directory);
  try {
    claimDirectory(place.directory);
  } catch (error) {
    if (error instanceof OperatorError) return;
    throw error;
  }
  for (const each of new Set([place.directory, directory])) {
    await rm(each, { recursive: true, force: true });
  }
}
