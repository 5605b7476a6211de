import path from "node:path";
import { createLogger, type Logger } from "@pelikuni/runtime/logger";
import { migrate } from "@pelikuni/runtime/migrations";
import { createPositionTail, type PositionTail } from "@pelikuni/runtime/position-tail";
import { createDatabaseClient, type DatabaseClient } from "@pelikuni/runtime/postgres";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import postgres from "postgres";
import { createTestDatabase, type TestDatabase } from "../../e2e/src/test-database.ts";
import { readCompleteness } from "../src/completeness.ts";
import { createEventIngestion, type EventIngestion } from "../src/event-ingestion.ts";
import { readProgress } from "../src/event-store.ts";
import { createJournalReader, type JournalReader } from "../src/journal-reader.ts";
import { createSourceHealth, type SourceHealth } from "../src/source-health.ts";
import {
  type HistoryService,
  historyServiceSchema,
  startHistoryService,
} from "../src/start-history-service.ts";
import { createTestFeed, type TestFeed } from "./test-feed.ts";

/** A migrated database of one test file's own, and the way into it. */
export interface HistoryBed extends AsyncDisposable {
  readonly database: TestDatabase;
  /** As the owner, to look at the tables and to tamper with them. */
  readonly owner: postgres.Sql<{ bigint: bigint }>;
  /** As the service's role. */
  readonly pool: DatabaseClient;
  readonly tail: PositionTail;
  /** What the wallet-service tells of its journal; it cannot be asked unless messages are given. */
  readonly feed: TestFeed;
  /** How the source of events fares, as a test says. */
  readonly source: SourceHealth;
  readonly journal: JournalReader;
  /** As GetCompleteness tells it. */
  completeness(): ReturnType<typeof readCompleteness>;
  /** A new one after each `clear`. */
  readonly ingestion: EventIngestion;
  /** What was logged: level and message. */
  readonly logged: string[];
  /** Another replica's way in. */
  replica(): EventIngestion;
  /** Empties every table, and begins anew. */
  clear(): Promise<void>;
}

const appendOnly = [
  "events",
  "late_journal_hashes",
  "entries",
  "account_entries",
  "account_totals",
  "parked_events",
];
const quiet = createLogger("test", { level: "silent", format: "json" });

/** Makes a database and migrates it. */
export async function createHistoryBed(): Promise<HistoryBed> {
  return await buildWithResources(async (resources) => {
    const database = resources.use(await createTestDatabase());
    await migrate({
      url: database.ownerUrl,
      directory: path.resolve(import.meta.dirname, "../migrations"),
      logger: quiet,
      lockTimeoutMs: 10_000,
      serviceRole: new URL(database.serviceUrl).username,
    });
    const owner = postgres(database.ownerUrl, {
      max: 1,
      types: { bigint: postgres.BigInt },
      onnotice: () => undefined,
    });
    resources.use({ [Symbol.asyncDispose]: () => owner.end({ timeout: 1 }) });
    const client = (connectionsMax: number): DatabaseClient =>
      resources.use(
        createDatabaseClient({
          url: database.serviceUrl,
          applicationName: "history test",
          connectionsMax,
          callTimeoutMs: 10_000,
          logger: quiet,
        }),
      );
    const pool = client(2);
    const readCompleteTo = async (): Promise<bigint> => (await pool.read(readProgress)).completeTo;
    const tail = createPositionTail(readCompleteTo, 20);
    const logged: string[] = [];
    const sink = { write: (line: string) => void logged.push(lineOf(line)) };
    const logger = createLogger("test", { level: "debug", format: "json" }, sink);
    const feed = createTestFeed();
    const journal = createJournalReader(feed.transport, quiet);
    const source = createSourceHealth(Date.now);
    const ingestBy = (writer: DatabaseClient): EventIngestion =>
      createEventIngestion({ writer, tail, journal, now: Date.now, logger });
    const replica = (): EventIngestion => ingestBy(client(1));
    const writer = client(1);
    let ingestion = ingestBy(writer);
    return {
      database,
      owner,
      pool,
      tail,
      get ingestion() {
        return ingestion;
      },
      feed,
      source,
      journal,
      completeness: () => readCompleteness({ pool, journal, source, now: Date.now }),
      logged,
      replica,
      async clear() {
        await clear(owner);
        feed.messages = undefined;
        feed.subscriptions = 0;
        ingestion = ingestBy(writer);
      },
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

/**
 * Starts a service over a bed's database. It has no source: what it knows arrives through the bed's
 * ingestion, as through another replica's.
 */
export async function serveHistory(
  { database }: HistoryBed,
  logger: Logger = quiet,
): Promise<HistoryService> {
  const configuration = historyServiceSchema.parse({
    grpc: { host: "127.0.0.1", port: 0 },
    http: { host: "127.0.0.1", port: 0, cors_origins: [] },
    database: { url: database.serviceUrl, connections_max: 4 },
    limits: {},
    source: "feed",
    kafka_group: "pelikuni-history",
    wallet_service_address: "127.0.0.1:1",
  });
  return await startHistoryService({ configuration, logger });
}

/** Runs a statement of the owner with the triggers off, as nobody but he can. */
export async function tamper(
  { owner }: HistoryBed,
  statement: (sql: HistoryBed["owner"]) => Promise<unknown>,
): Promise<void> {
  for (const table of appendOnly)
    await owner.unsafe(`alter table ${table} disable trigger append_only`);
  try {
    await statement(owner);
  } finally {
    for (const table of appendOnly) {
      await owner.unsafe(`alter table ${table} enable always trigger append_only`);
    }
  }
}

async function clear(owner: HistoryBed["owner"]): Promise<void> {
  const each = (change: string): string =>
    appendOnly.map((table) => `alter table ${table} ${change} trigger append_only;`).join("");
  await owner.unsafe(`
    ${each("disable")}
    truncate ${appendOnly.join()}, waiting_events, parked_event_replays;
    update completeness set complete_to = 0, stopped_reason = null, stopped_at = null;
    ${each("enable always")}`);
}

function lineOf(line: string): string {
  const { level, msg } = JSON.parse(line);
  return `${level}: ${msg}`;
}
