import { STATUS_CODES } from "node:http";
import { Code, ConnectError } from "@connectrpc/connect";
import { rateLimitedReason } from "@pelikuni/runtime/access/caller-limits";
import { errorReason, errorRetryDelayMs, errorViolations } from "@pelikuni/runtime/rpc-errors";
import type { ProblemBody } from "./rest-schema-parts.ts";

/** A field to blame, by its name in REST. */
export interface FieldProblem {
  readonly field: string;
  /** What to change; starts with a capital letter when it is a whole sentence. */
  readonly detail: string;
}

/** What a refusal tells besides its status. */
export interface RefusalOptions {
  /** UPPER_SNAKE_CASE, for programs. */
  readonly reason: string;
  /** What happened and what to change, for a person. */
  readonly detail: string;
  readonly errors?: readonly FieldProblem[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that is answered with a problem instead of what it asked for. */
export class RestRefusal extends Error {
  override name = "RestRefusal";
  readonly status: number;
  readonly reason: string;
  readonly errors: readonly FieldProblem[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, options: RefusalOptions) {
    super(options.detail);
    this.status = status;
    this.reason = options.reason;
    this.errors = options.errors ?? [];
    this.headers = options.headers ?? {};
  }

  /** Refuses a request for fields that break their rules; the first one is the detail. */
  static ofFields(errors: readonly FieldProblem[]): RestRefusal {
    const [first] = errors;
    const detail = first === undefined ? "The request breaks a rule" : sentence(first);
    return new RestRefusal(400, { reason: "INVALID_FIELD", detail, errors });
  }

  /** Refuses a request for one field. */
  static ofField(field: string, detail: string): RestRefusal {
    return RestRefusal.ofFields([{ field, detail }]);
  }
}

/** The problem that a refusal is told as. */
export function problemBody(refusal: RestRefusal): ProblemBody {
  const { status, reason, message, errors } = refusal;
  const title = STATUS_CODES[status] ?? "Error";
  const problem = { type: "about:blank", title, status, detail: message, reason };
  return errors.length === 0 ? problem : { ...problem, errors: [...errors] };
}

/** The HTTP status of every RPC code. */
export const statusOfCode = {
  [Code.InvalidArgument]: 400,
  [Code.FailedPrecondition]: 400,
  [Code.OutOfRange]: 400,
  [Code.Unauthenticated]: 401,
  [Code.PermissionDenied]: 403,
  [Code.NotFound]: 404,
  [Code.Aborted]: 412,
  [Code.AlreadyExists]: 422,
  [Code.ResourceExhausted]: 503,
  [Code.Unavailable]: 503,
  // Who cancelled is gone, unless it was the service that stops.
  [Code.Canceled]: 503,
  [Code.DeadlineExceeded]: 504,
  [Code.Unknown]: 500,
  [Code.Unimplemented]: 500,
  [Code.Internal]: 500,
  [Code.DataLoss]: 500,
} satisfies Record<Code, number>;

/** In which terms one route tells refusals, where they are not those of all routes. */
export interface RefusalTerms {
  /** Names of fields by those of the contract. */
  readonly fields?: Readonly<Record<string, string>>;
  /** The status of a wallet that has another version than expected. */
  readonly conflictStatus?: number;
}

/**
 * Waits for an answer, and tells a refusal in a route's own terms.
 *
 * @throws RestRefusal, or what the answer fails with
 */
export async function inTermsOf<T>(terms: RefusalTerms, answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    const isAboutInput = [Code.InvalidArgument, Code.Aborted].includes(error.code);
    throw isAboutInput ? refusalOfRpc(error, terms) : error;
  }
}

/**
 * What a failed RPC means in REST. Messages with a reason of ours are meant for callers and stay
 * as they are; any other message may name addresses or internals and is replaced, and so is that of
 * a service's own fault.
 */
export function refusalOfRpc(error: ConnectError, terms: RefusalTerms = {}): RestRefusal {
  const { conflictStatus = statusOfCode[Code.Aborted] } = terms;
  const reason = errorReason(error);
  const status = statusOf(error, reason, conflictStatus);
  // Lost data are told: the caller has to know what it is that he cannot rely on.
  const isFault = status === 500 && error.code !== Code.DataLoss;
  if (reason === undefined || isFault) return unexplained(status, error.code);
  const errors = errorViolations(error).map(({ field, description }) => ({
    field: terms.fields?.[field] ?? restName(field),
    detail: description,
  }));
  const [first] = errors;
  const detail = first === undefined ? error.rawMessage : sentence(first);
  const headers = { ...retryAfter(error, reason), ...challenge(error) };
  return new RestRefusal(status, { reason, detail, errors, headers });
}

function statusOf(
  { code }: ConnectError,
  reason: string | undefined,
  conflictStatus: number,
): number {
  if (reason === rateLimitedReason) return 429;
  return code === Code.Aborted ? conflictStatus : statusOfCode[code];
}

/** How to say who calls (RFC 6750, section 3), where that is what is wrong. */
function challenge(error: ConnectError): Record<string, string> {
  const text = error.metadata.get("www-authenticate");
  return text === null ? {} : { "WWW-Authenticate": text };
}

/** Fields of the contract that REST knows under another name. */
const restNames: Readonly<Record<string, string>> = {
  wallet_id: "id",
  from_wallet_id: "id",
  request_id: "Idempotency-Key",
  expected_version: "If-Match",
  kinds: "kind",
  update_mask: "body",
};

/** Parts of a body that the contract keeps in messages of their own. */
const inlined = /^(details|settings)\./;

function restName(field: string): string {
  return restNames[field] ?? field.replace(inlined, "");
}

function unexplained(status: number, code: Code): RestRefusal {
  const reason = Code[code].replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
  const detail =
    unexplainedDetails[status] ?? "The service behind this gateway refused the request";
  return new RestRefusal(status, { reason, detail });
}

const unexplainedDetails: Readonly<Record<number, string>> = {
  500: "Internal error",
  503:
    "The service behind this gateway does not answer. A read may be repeated; whether a change was " +
    "made is unknown, and repeating it is safe with the same Idempotency-Key",
  504:
    "The service behind this gateway did not answer in time. A read may be repeated; whether a " +
    "change was made is unknown, and repeating it is safe with the same Idempotency-Key",
};

// History is behind by less, unless something is wrong.
const completeAfterMs = 1_000;

function retryAfter(error: ConnectError, reason: string): Record<string, string> {
  // Only reads wait for history, so that repeating them cannot do harm.
  const waits = reason === "NOT_COMPLETE_YET";
  const delayMs = errorRetryDelayMs(error) ?? (waits ? completeAfterMs : undefined);
  if (delayMs === undefined) return {};
  return { "Retry-After": String(Math.max(1, Math.ceil(delayMs / 1_000))) };
}

function sentence({ field, detail }: FieldProblem): string {
  return /^\p{Lu}/u.test(detail) ? detail : `${field}: ${detail}`;
}
