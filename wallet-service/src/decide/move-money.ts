import type { EventKind, Outcome } from "../wallet.ts";
import type { Basis, MoveMoney } from "./command.ts";
import { prepare, refuse, settle, statusRefusal } from "./movement.ts";

const eventKind: Readonly<Record<MoveMoney["kind"], EventKind>> = {
  fund: "walletFunded",
  transfer: "transferCompleted",
  withdraw: "transactionPosted",
  post: "transactionPosted",
};

/** Moves money along the command's legs. */
export function moveMoney(basis: Basis, command: MoveMoney): Outcome {
  const movement = prepare(basis, command);
  if ("refusal" in movement) return movement;
  const refused = statusRefusal(movement);
  if (refused !== undefined) return refuse(refused);
  const { exchange } = command;
  const kind = eventKind[command.kind];
  return settle(movement, { kind, limited: true, ...(exchange && { exchange }) });
}
