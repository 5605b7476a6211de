import { OperatorError } from "@pelikuni/runtime/operator-error";
import { type DatabaseAddress, postgresTls } from "@pelikuni/runtime/postgres-tls";
import type { Logger } from "pino";
import postgres from "postgres";
import type { EarlierRow } from "./import-row.ts";

/** The table `wallets` of the earlier version. */
export interface ImportSource extends AsyncDisposable {
  /** How many rows it has, as far as Postgres knows without counting; `undefined`: not at all. */
  readonly estimatedRows: number | undefined;
  /** Reads all rows in the order of their ids, a page at a time, each page as it is then. */
  readPages(): AsyncGenerator<readonly EarlierRow[]>;
}

/** How many rows are in memory at once, and how many wallets come over in one step. */
export const importPageRows = 1_000;

const connectTimeoutSeconds = 10;
const closeTimeoutSeconds = 1;

/**
 * Connects to the earlier version's database and looks whether its table is the one expected. The
 * table is only read. Parameters that older servers and poolers do not know are not sent.
 *
 * @param address without a password the driver takes it from PGPASSWORD
 * @throws OperatorError when the database cannot be reached, or has no such table
 */
export async function openImportSource(
  address: DatabaseAddress,
  logger: Logger,
): Promise<ImportSource> {
  const sql = postgres(address.url, {
    ssl: postgresTls(address, logger),
    max: 1,
    connect_timeout: connectTimeoutSeconds,
    max_lifetime: null,
    // Its look-up ends in an unhandled rejection when the connection breaks at that moment.
    fetch_types: false,
    onnotice: () => undefined,
    connection: { application_name: "pelikuni import" },
  });
  const close = (): Promise<void> => sql.end({ timeout: closeTimeoutSeconds });
  try {
    const columns = await readable(readColumns(sql));
    const problem = problemOf(columns);
    if (problem !== undefined) throw new OperatorError(problem);
    const estimatedRows = await readable(estimateRows(sql));
    return { estimatedRows, readPages: () => readPages(sql), [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function* readPages(sql: postgres.Sql): AsyncGenerator<readonly EarlierRow[]> {
  let page = await readable(readPage(sql, undefined));
  while (page.length > 0) {
    yield page;
    page = await readable(readPage(sql, page.at(-1)?.id));
  }
}

async function readPage(sql: postgres.Sql, after: string | undefined): Promise<EarlierRow[]> {
  const behind = after === undefined ? sql`` : sql`where id > ${after}::uuid`;
  return await sql<EarlierRow[]>`
    select id::text as id, user_id::text as "userId", balance::text as balance
    from wallets ${behind} order by wallets.id limit ${importPageRows}`;
}

/** The types of the table's columns by their names; empty when there is no table. */
async function readColumns(sql: postgres.Sql): Promise<ReadonlyMap<string, string>> {
  const rows = await sql<{ name: string; type: string }[]>`
    select attname as name, format_type(atttypid, null) as type from pg_attribute
    where attrelid = to_regclass('wallets') and attnum > 0 and not attisdropped`;
  return new Map(rows.map(({ name, type }) => [name, type]));
}

function problemOf(columns: ReadonlyMap<string, string>): string | undefined {
  if (columns.size === 0) return "The database to import from has no table wallets.";
  // Its wallets would be funded once more with what they have.
  if (columns.has("head")) {
    return "The database to import from belongs to this version; name the earlier one's.";
  }
  const missing = ["id", "user_id", "balance"].filter((name) => !columns.has(name));
  if (missing.length > 0) {
    return `The table wallets to import from lacks the column ${missing.join(", ")}.`;
  }
  for (const [name, type] of [
    ["id", "uuid"],
    ["balance", "numeric"],
  ] as const) {
    const found = columns.get(name);
    if (found !== type)
      return `The column wallets.${name} to import from is ${found}, not ${type}.`;
  }
  return undefined;
}

async function estimateRows(sql: postgres.Sql): Promise<number | undefined> {
  const rows = await sql<{ rows: number }[]>`
    select reltuples::float8 as rows from pg_class where oid = to_regclass('wallets')`;
  const estimate = rows[0]?.rows ?? 0;
  return estimate > 0 ? estimate : undefined;
}

async function readable<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperatorError(`The database to import from gave no answer: ${reason}`);
  }
}
