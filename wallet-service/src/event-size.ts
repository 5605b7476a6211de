import type { Request } from "./command-group.ts";
import type { CommandItems } from "./command-inputs.ts";
import { reversedTransactionIdOf } from "./decide/decide.ts";
import type { Details } from "./wallet.ts";

// Without legs, details and request_id: ids, times, one wallet with the longest names.
const baseBytes = 600;
// A leg between two wallets, with the changes of both.
const legBytes = 800;
// UTF-8 takes at most three bytes for a UTF-16 unit.
const bytesPerUnit = 3;

/** About how many bytes the event of a request takes, not less than most do. */
export function estimateEventBytes(request: Request, items: CommandItems): number {
  const texts = request.requestId.length + lengthOf(request.details);
  return baseBytes + legBytes * legCount(request.command, items) + bytesPerUnit * texts;
}

function legCount(command: Request["command"], items: CommandItems): number {
  const reversed = reversedTransactionIdOf(command);
  if (reversed !== undefined) return items.transactions.get(reversed)?.legs.length ?? 0;
  if ("legs" in command) return command.legs.length;
  return "payments" in command ? command.payments.length : 0;
}

function lengthOf(details: Details | undefined): number {
  if (details === undefined) return 0;
  const { reference, description, metadata } = details;
  const pairs = Object.entries(metadata).map(([key, value]) => key.length + value.length);
  return pairs.reduce((sum, length) => sum + length, reference.length + description.length);
}
