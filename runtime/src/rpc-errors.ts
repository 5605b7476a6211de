import { create, type DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "@pelikuni/gen/google/rpc/error_details_pb";

/** The domain of every google.rpc.ErrorInfo that Pelikuni sends. */
export const errorDomain = "pelikuni";

/** Most field violations in one error; error details beyond 40 KB hang a grpc-js client. */
export const violationsMax = 20;

/**
 * Longest error message in UTF-16 units; the rest is cut off, since it travels in an HTTP/2 header.
 */
export const errorMessageLengthMax = 500;

const fieldPathLengthMax = 100;
const descriptionLengthMax = 200;

/** A field that breaks its rule. */
export interface FieldViolation {
  /** The field's path in the contract's names, for example "transfers[3].amount". */
  readonly field: string;
  /** What to change; starts with a capital letter when it is a whole sentence. */
  readonly description: string;
}

/** What a caller is told when a call fails. */
export interface RpcErrorOptions {
  readonly code: Code;
  /** Machine-readable reason in UPPER_SNAKE_CASE, unique in the domain "pelikuni". */
  readonly reason: string;
  /** What happened and what to change; cut off at 500 characters. */
  readonly message: string;
  /** Facts that a program may use, for example which wallet was not found. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** The fields to blame; at most the first 20 are sent. */
  readonly violations?: readonly FieldViolation[];
  /**
   * Milliseconds after which the same call may be sent again; for a call without a request_id only
   * when it is sure that nothing was done.
   */
  readonly retryDelayMs?: number;
}

/** Makes an error that carries its reason, fields and retry delay on every transport. */
export function rpcError(options: RpcErrorOptions): ConnectError {
  const { code, reason, metadata, violations, retryDelayMs } = options;
  const error = new ConnectError(cutText(options.message, errorMessageLengthMax), code);
  const info = create(ErrorInfoSchema, { reason, domain: errorDomain, metadata: metadata ?? {} });
  error.details.push({ desc: ErrorInfoSchema, value: info });
  if (violations !== undefined && violations.length > 0) {
    const fieldViolations = violations.slice(0, violationsMax).map(cutViolation);
    const value = create(BadRequestSchema, { fieldViolations });
    error.details.push({ desc: BadRequestSchema, value });
  }
  if (retryDelayMs !== undefined) {
    const seconds = Math.floor(retryDelayMs / 1_000);
    const retryDelay = { seconds: BigInt(seconds), nanos: (retryDelayMs - seconds * 1_000) * 1e6 };
    const value = create(RetryInfoSchema, { retryDelay });
    error.details.push({ desc: RetryInfoSchema, value });
  }
  return error;
}

/** The reason that Pelikuni gave for an error; undefined when the error is not one of ours. */
export function errorReason(error: ConnectError): string | undefined {
  return error.findDetails(ErrorInfoSchema).find((info) => info.domain === errorDomain)?.reason;
}

/** The facts that came with the reason; empty when there are none. */
export function errorMetadata(error: ConnectError): Readonly<Record<string, string>> {
  const infos = error.findDetails(ErrorInfoSchema);
  return infos.find((info) => info.domain === errorDomain)?.metadata ?? {};
}

/** The fields that an error blames, at most 20; empty when it blames none. */
export function errorViolations(error: ConnectError): readonly FieldViolation[] {
  return error
    .findDetails(BadRequestSchema)
    .flatMap((request) => request.fieldViolations)
    .map(({ field, description }) => ({ field, description }));
}

/** Milliseconds after which the call may be repeated; undefined when the error does not say so. */
export function errorRetryDelayMs(error: ConnectError): number | undefined {
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return delay === undefined ? undefined : Number(delay.seconds) * 1_000 + delay.nanos / 1e6;
}

/** Why a message is refused that is larger than the server or client may take. */
export function messageTooLarge(messageBytesMax: number): ConnectError {
  return rpcError({
    code: Code.ResourceExhausted,
    reason: "MESSAGE_TOO_LARGE",
    message: `The message is larger than limits.message_bytes_max, ${messageBytesMax} bytes`,
  });
}

/** Most fields that a request may have, each item of a list counting as one. */
export const requestFieldsMax = 5_000;

/** Most fields within one of them, however deep; a transfer of a batch has 26 at most. */
export const innerFieldsMax = 200;

/** Why a message is refused that would take long to decode and to check. */
export function tooManyFields(): ConnectError {
  return rpcError({
    code: Code.ResourceExhausted,
    reason: "MESSAGE_TOO_LARGE",
    message:
      `The message has more than ${requestFieldsMax} fields and items, ` +
      `or more than ${innerFieldsMax} within one of them`,
  });
}

/** Why bytes are refused that cannot be decoded as the message of a method. */
export function malformedMessage(schema: DescMessage, fault: unknown): ConnectError {
  const why = fault instanceof Error ? fault.message : String(fault);
  return rpcError({
    code: Code.InvalidArgument,
    reason: "MALFORMED_MESSAGE",
    message: `The request is not a ${schema.typeName} message: ${why}`,
  });
}

/** The text as Unicode, within a limit in UTF-16 units; what was cut off shows as "…". */
export function cutText(text: string, lengthMax: number): string {
  const cut = text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1)}…`;
  // No transport can carry a lone surrogate, which the cut itself may have left.
  return cut.replace(/[\uD800-\uDFFF]/gu, "\uFFFD");
}

function cutViolation({ field, description }: FieldViolation): FieldViolation {
  return {
    field: cutText(field, fieldPathLengthMax),
    description: cutText(description, descriptionLengthMax),
  };
}
