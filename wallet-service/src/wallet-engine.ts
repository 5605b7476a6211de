import { createPositionTail, type PositionTail } from "@pelikuni/runtime/position-tail";
import { createDatabaseClient, type DatabaseClient } from "@pelikuni/runtime/postgres";
import type { DatabaseAddress } from "@pelikuni/runtime/postgres-tls";
import type { ResourceStack } from "@pelikuni/runtime/resource-stack";
import type { Logger } from "pino";
import type { InputReaders } from "./command-inputs.ts";
import type { Rules } from "./decide/command.ts";
import { createGroupCommit, type GroupCommit } from "./group-commit.ts";
import { createInputReaders } from "./input-readers.ts";
import { lastPosition } from "./journal-store.ts";
import { createRepeatedRequests } from "./repeated-requests.ts";
import { createWalletCache } from "./wallet-cache.ts";

/** The service without its ports: what decides, commits and reads. */
export interface WalletEngine {
  readonly groupCommit: GroupCommit;
  readonly readers: InputReaders;
  /** For reads. */
  readonly pool: DatabaseClient;
  readonly tail: PositionTail;
  /** Makes a client of one connection, for whoever needs a transaction; he disposes it. */
  readonly openClient: (use: string) => DatabaseClient;
}

/** What the engine needs to know. */
export interface WalletEngineOptions {
  /** As the service's own role. */
  readonly database: DatabaseAddress;
  /** Connections for reads; one more commits. */
  readonly connectionsMax: number;
  readonly cachedWalletsMax: number;
  readonly queueLengthMax: number;
  /** How many commands of one caller a group holds while there are others; 16 when left out. */
  readonly groupShareMax?: number;
  readonly rules: Rules;
  /** The wall clock, milliseconds since 1970. */
  readonly now: () => number;
  readonly logger: Logger;
}

const callTimeoutMs = 2_500;
const groupShareDefault = 16;
const tailPollIntervalMs = 50;

/** Puts the engine together; it connects with the first command or read. */
export function createWalletEngine(
  options: WalletEngineOptions,
  resources: ResourceStack,
): WalletEngine {
  const { logger } = options;
  const { url, tls } = options.database;
  const client = (connectionsMax: number, use: string): DatabaseClient => {
    const applicationName = `pelikuni-wallet-service ${use}`;
    return createDatabaseClient({
      url,
      tls,
      applicationName,
      connectionsMax,
      callTimeoutMs,
      logger,
    });
  };
  const pool = resources.use(client(options.connectionsMax, "reads"));
  const tail = createPositionTail(() => pool.read(lastPosition), tailPollIntervalMs);
  const readers = createInputReaders(pool);
  const groupCommit = createGroupCommit({
    committer: resources.use(client(1, "commits")),
    readers,
    pool,
    repeated: createRepeatedRequests(pool, logger),
    cache: createWalletCache(options.cachedWalletsMax),
    rules: options.rules,
    now: options.now,
    onCommit: (position) => tail.reached(position),
    queueLengthMax: options.queueLengthMax,
    groupShareMax: options.groupShareMax ?? groupShareDefault,
    logger,
  });
  resources.use(groupCommit);
  return { groupCommit, readers, pool, tail, openClient: (use) => client(1, use) };
}
