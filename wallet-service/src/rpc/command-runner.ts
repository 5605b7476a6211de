import type { HandlerContext } from "@connectrpc/connect";
import type { Details as DetailsOnWire } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { actorOf, type Caller, callerOf, principalOf } from "@pelikuni/runtime/access/caller";
import type { Request } from "../command-group.ts";
import { type Answer, CommandFault, type CommandOutcome } from "../command-outcome.ts";
import type { Command } from "../decide/command.ts";
import type { GroupCommit } from "../group-commit.ts";
import { type Amount, parseAmount } from "../money.ts";
import { requestKey } from "../request-key.ts";
import type { Details } from "../wallet.ts";
import { faultError, refusalError } from "../wallet-errors.ts";
import { type ShownAnswer, shownAnswer } from "./messages.ts";

/** What every mutation carries beside its command. */
export interface CallerInput {
  readonly requestId: string;
  readonly details?: DetailsOnWire | undefined;
}

/** Runs commands for handlers. */
export interface CommandRunner {
  /**
   * @returns the answer as its caller may see it
   * @throws ConnectError for a command that is refused, or has no outcome
   */
  run(command: Command, input: CallerInput, context: HandlerContext): Promise<ShownAnswer>;
  /** Runs requests in their order; those that fail do not keep the others from running. */
  runAll(
    requests: readonly Request[],
    context: HandlerContext,
  ): Promise<(CommandOutcome | CommandFault)[]>;
}

/** Creates the runner over the queue. */
export function createCommandRunner(groupCommit: GroupCommit): CommandRunner {
  async function runAll(
    requests: readonly Request[],
    context: HandlerContext,
  ): Promise<(CommandOutcome | CommandFault)[]> {
    const expiresAtMs = performance.now() + (context.timeoutMs() ?? Number.POSITIVE_INFINITY);
    try {
      const principal = principalOf(callerOf(context));
      const outcomes = groupCommit.submit(requests, expiresAtMs, principal);
      return await Promise.all(outcomes.map((outcome) => outcome.catch(faultOnly)));
    } catch (error) {
      const fault = faultOnly(error);
      return requests.map(() => fault);
    }
  }

  return {
    runAll,
    async run(command, input, context) {
      const caller = callerOf(context);
      const request = requestOf(command, input, caller);
      const [outcome] = await runAll([request], context);
      return shownAnswer(answerOf(outcome, request), caller);
    },
  };
}

/** The request of a command, with its key. */
export function requestOf(
  command: Command,
  { requestId, details: sent }: CallerInput,
  caller: Caller,
): Request {
  const details = detailsOf(sent);
  const key = requestId && requestKey(principalOf(caller), requestId, command, details);
  return { command, actor: actorOf(caller), details, requestId, ...(key && { requestKey: key }) };
}

/** Details that say nothing are none: whether a caller sends them makes no difference. */
function detailsOf(sent: DetailsOnWire | undefined): Details | undefined {
  if (sent === undefined) return undefined;
  const { reference, description, metadata } = sent;
  const isEmpty = reference === "" && description === "" && Object.keys(metadata).length === 0;
  return isEmpty ? undefined : { reference, description, metadata };
}

/**
 * The answer of an outcome.
 *
 * @throws ConnectError when there is none
 */
export function answerOf(
  outcome: CommandOutcome | CommandFault | undefined,
  request: Request,
): Answer {
  if (outcome === undefined) throw new Error("A request has no outcome.");
  if (outcome instanceof CommandFault) throw faultError(outcome, request.requestId);
  if ("refusal" in outcome) throw refusalError(outcome.refusal);
  return outcome.answer;
}

/** The contract's rules have let the amount through; what they let through is an amount. */
export function trusted(text: string): Amount {
  const amount = parseAmount(text);
  if (amount === undefined) throw new Error("An amount that is none passed the contract's rules.");
  return amount;
}

function faultOnly(error: unknown): CommandFault {
  if (error instanceof CommandFault) return error;
  throw error;
}
