import type { Request } from "./command-group.ts";
import type { CommandItems } from "./command-inputs.ts";
import type { Actor, Details, Metadata } from "./wallet.ts";

// Without legs, details, actor and request_id: ids, times, one wallet with the longest names.
const baseBytes = 600;
// A leg between two wallets, with the changes of both.
const legBytes = 800;
// UTF-8 takes at most three bytes for a UTF-16 unit.
const bytesPerUnit = 3;

/** About how many bytes the event of a request takes, not less than most do. */
export function estimateEventBytes(request: Request, items: CommandItems): number {
  const { command, details, actor, requestId } = request;
  const notes = requestId.length + lengthOf(details) + actorLength(actor);
  const texts = notes + textLength(command);
  return baseBytes + legBytes * legCount(command, items) + bytesPerUnit * texts;
}

function legCount(command: Request["command"], items: CommandItems): number {
  if (command.kind === "reverseTransaction") {
    const reversed = items.transactions.get(command.transactionId)?.legs.length ?? 0;
    // The account may pay a part of every leg.
    return command.shortfallAccount === undefined ? reversed : 2 * reversed;
  }
  if ("legs" in command) return command.legs.length;
  return "payments" in command ? command.payments.length : 0;
}

/** The free texts of the command itself. */
function textLength(command: Request["command"]): number {
  if ("reason" in command) return command.reason.length;
  if (command.kind === "updateWallet") return pairsLength(command.metadata ?? {});
  if (command.kind !== "post" || command.exchange === undefined) return 0;
  return command.exchange.rate.length + command.exchange.quoteId.length;
}

function lengthOf(details: Details | undefined): number {
  if (details === undefined) return 0;
  const { reference, description, metadata } = details;
  return reference.length + description.length + pairsLength(metadata);
}

function actorLength(actor: Actor | undefined): number {
  return actor === undefined ? 0 : actor.issuer.length + actor.subject.length + actor.client.length;
}

function pairsLength(metadata: Metadata): number {
  return Object.entries(metadata).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
}
