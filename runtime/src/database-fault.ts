import postgres from "postgres";

/** The database did not answer, or the connection to it was lost. */
export class DatabaseUnavailable extends Error {
  override readonly name = "DatabaseUnavailable";
  /** Whether the call may have been carried out all the same. */
  readonly maybeExecuted: boolean;
  /** Whether the database gives no sign of life, so that the next call will likely fail as well. */
  readonly away: boolean;

  constructor(message: string, state: { maybeExecuted: boolean; away: boolean }, cause?: unknown) {
    super(message, { cause });
    this.maybeExecuted = state.maybeExecuted;
    this.away = state.away;
  }

  /** The same fault of a call that by itself changes nothing, such as one that only locks rows. */
  beforeExecution(): DatabaseUnavailable {
    return new DatabaseUnavailable(this.message, { maybeExecuted: false, away: this.away }, this);
  }
}

/** A call had no answer in time. */
export class CallTimedOut extends Error {
  constructor(timeoutMs: number) {
    super(`The database did not answer within ${timeoutMs} ms.`);
  }
}

// Raised by the driver or the operating system where nobody answers at the address.
const nobodyThere = new Set([
  "CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOENT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
]);

// SQLSTATEs (PostgreSQL, appendix A) with which a server ends a session instead of a statement.
const sessionEnded = new Set(["57P01", "57P02", "57P05", "08003", "08006", "08007", "08P01"]);
// A server that lost its primary role, is out of resources, or gave up waiting.
const statementRefused = new Set(["25006", "55P03", "57014", "53000", "53100", "53200", "53400"]);

/**
 * What the failure of a call says of the database; `undefined` when the server answered that the
 * statement itself is wrong. Only an answer of the server proves that nothing was done: whatever
 * else happens to a call that was sent, it may have been executed.
 *
 * @param sent whether the call may have reached the server
 */
export function databaseFault(error: unknown, sent: boolean): DatabaseUnavailable | undefined {
  if (error instanceof CallTimedOut) {
    return new DatabaseUnavailable(error.message, { maybeExecuted: sent, away: true }, error);
  }
  const code = codeOf(error);
  if (error instanceof postgres.PostgresError && !endsSession(error)) {
    const message = `The database refused a statement. (${code})`;
    return statementRefused.has(code)
      ? new DatabaseUnavailable(message, { maybeExecuted: false, away: false }, error)
      : undefined;
  }
  const refused = error instanceof postgres.PostgresError && !sent;
  const away = refused || nobodyThere.has(code);
  const what = away
    ? "The database cannot be reached."
    : "The connection to the database was lost.";
  return new DatabaseUnavailable(`${what} (${code})`, { maybeExecuted: sent, away }, error);
}

function endsSession({ severity, code }: postgres.PostgresError): boolean {
  return severity === "FATAL" || severity === "PANIC" || sessionEnded.has(code);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : String(error);
}
