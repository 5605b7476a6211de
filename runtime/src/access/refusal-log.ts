import type { DescMethod } from "@bufbuild/protobuf";
import type { Logger } from "../logger.ts";
import type { Caller } from "./caller.ts";

/**
 * Logs that a caller was refused what he may not have; what of it does not exist is logged alike.
 *
 * @param asked what he asked for, or lacks
 */
export function logRefusal(
  logger: Logger,
  method: DescMethod,
  { issuer, subject, client }: Caller,
  asked: object,
): void {
  const rpc = `${method.parent.typeName}/${method.name}`;
  const who = { rpc, issuer, subject, client };
  logger.warn({ ...who, ...asked }, "A call was refused: it is not allowed");
}
