import { DatabaseUnavailable } from "@pelikuni/runtime/database-fault";
import { invalidFields } from "@pelikuni/runtime/rpc-validation";
import { CommandFault } from "../command-outcome.ts";
import { formatPageToken, parsePageToken } from "../page-token.ts";
import { faultError } from "../wallet-errors.ts";
import type { PageStart } from "../wallet-store.ts";

const pageSizeDefault = 100;

/** What a page asks for, and where it begins. */
export interface PageRequest {
  readonly pageSize: number;
  readonly pageToken: string;
}

/**
 * Reads one page of rows that are ordered by creation, newest first.
 *
 * @param list reads rows behind one, or the first ones
 * @throws ConnectError when the token is none, or the database does not answer
 */
export async function readPage<Row extends PageStart>(
  { pageSize, pageToken }: PageRequest,
  list: (page: { readonly after?: PageStart; readonly limit: number }) => Promise<Row[]>,
): Promise<{ readonly rows: Row[]; readonly nextPageToken: string }> {
  const wanted = pageSize || pageSizeDefault;
  // One more than asked for tells whether there is a next page.
  const found = await orUnavailable(list({ ...pageStart(pageToken), limit: wanted + 1 }));
  const rows = found.slice(0, wanted);
  const last = rows.at(-1);
  const hasMore = found.length > wanted && last !== undefined;
  return { rows, nextPageToken: hasMore ? formatPageToken(last) : "" };
}

/** Says that the database does not answer, where it does not. */
export async function orUnavailable<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw readFault(error);
  }
}

/** The same of a stream. */
export async function* orUnavailableStream<T>(reading: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* reading;
  } catch (error) {
    throw readFault(error);
  }
}

function readFault(error: unknown): unknown {
  if (!(error instanceof DatabaseUnavailable)) return error;
  const message = "The database does not answer; try again.";
  return faultError(new CommandFault("DATABASE_UNAVAILABLE", message, error), "");
}

function pageStart(pageToken: string): { readonly after?: PageStart } {
  if (pageToken === "") return {};
  const after = parsePageToken(pageToken);
  if (after !== undefined) return { after };
  const description = "must be empty or the next_page_token of the page before";
  throw invalidFields([{ field: "page_token", description }]);
}
