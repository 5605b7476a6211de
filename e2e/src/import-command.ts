import { fork } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import postgres from "postgres";
import { createTestDatabase, type TestDatabase } from "./test-database.ts";

/** A database as the earlier version leaves it; disposing drops it. */
export interface EarlierDatabase extends AsyncDisposable {
  readonly url: string;
  readonly sql: postgres.Sql;
}

/** The command that imports, in a process of its own. */
export interface ImportCommand {
  /** Settles when it has ended. */
  readonly ended: Promise<{ readonly exitCode: number | null; readonly output: string }>;
  /** Ends it with kill -9 and waits until it is gone. */
  kill(): Promise<void>;
}

const project = path.resolve(import.meta.dirname, "../..");
const mainFile = path.resolve(project, "wallet-service/src/import.ts");

/** Makes an empty table of the earlier version, which checks less than that one did. */
export async function createEarlierDatabase(): Promise<EarlierDatabase> {
  const database = await createTestDatabase();
  const sql = postgres(database.ownerUrl, { max: 2 });
  await sql`
    create table wallets (
      id uuid primary key,
      user_id varchar(255),
      balance numeric,
      version bigint not null default 0
    )`;
  return {
    url: database.ownerUrl,
    sql,
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 1 });
      await database[Symbol.asyncDispose]();
    },
  };
}

/** Adds wallets with balances of 0.0001 to 1000000, and some with none; gives their sum. */
export async function addEarlierWallets({ sql }: EarlierDatabase, count: number): Promise<string> {
  await sql`
    insert into wallets (id, user_id, balance, version)
    select gen_random_uuid(), 'user ' || n % 1000,
      case when n % 10 = 0 then 0 else (n * 7919 % 10000000000) / 10000.0 end, n
    from generate_series(1, ${count}) n`;
  const [row] = await sql<{ sum: string }[]>`select sum(balance)::numeric(30, 4) from wallets`;
  return row?.sum ?? "";
}

/** Starts it with no settings but these; the source's address is one of them unless an argument. */
export function startImport(
  source: EarlierDatabase,
  target: Pick<TestDatabase, "serviceUrl" | "ownerUrl">,
  args: readonly string[] = [],
): ImportCommand {
  const child = fork(mainFile, args, {
    cwd: project,
    env: {
      APP__LOG__FORMAT: "json",
      APP__LOG__LEVEL: "warn",
      APP__IMPORT__SOURCE_URL: source.url,
      APP__WALLET_SERVICE__DATABASE__URL: target.serviceUrl,
      APP__WALLET_SERVICE__DATABASE__MIGRATION_URL: target.ownerUrl,
    },
    execArgv: ["--import", "tsx/esm", "--conditions=source"],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk) => {
      output += String(chunk);
    });
  }
  const ended = once(child, "close").then(() => ({ exitCode: child.exitCode, output }));
  return {
    ended,
    async kill() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
