import type { WalletEvent } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import type { Order } from "./ledger.ts";
import { amountText } from "./money-units.ts";

/** What an order asks for, written as `contentOfEvent` writes what an event did. */
export function contentOf(order: Order): string {
  if (order.kind === "create") return `walletCreated for ${order.userId}`;
  const from = order.kind === "fund" ? "external" : order.from;
  const kind = order.kind === "fund" ? "walletFunded" : "transferCompleted";
  return `${kind} of ${amountText(order.units)} from ${from} to ${order.to}`;
}

/** What an event did. */
export function contentOfEvent({ kind, legs, changes }: WalletEvent): string {
  const [leg] = legs;
  if (leg === undefined) return `${kind.case} for ${changes[0]?.userId}`;
  return `${kind.case} of ${leg.amount} from ${leg.from?.side.value} to ${leg.to?.side.value}`;
}
