import { isZero, zero } from "../money.ts";
import type { Outcome, WalletState } from "../wallet.ts";
import type { Basis, ChangeStatus, CloseWallet, UpdateWallet } from "./command.ts";
import {
  closedRefusal,
  type Movement,
  precisionRefusal,
  prepare,
  refuse,
  settle,
  statusRefusal,
} from "./movement.ts";

/** Freezes or unfreezes a wallet. */
export function changeStatus(basis: Basis, command: ChangeStatus): Outcome {
  const { walletId, status, reason, expected } = command;
  const movement = prepare(basis, { legs: [], walletId, expected });
  if ("refusal" in movement) return movement;
  const refused = closedRefusal(stateIn(movement, walletId));
  if (refused !== undefined) return refuse(refused);
  const becomes = { walletId, status };
  return settle(movement, { kind: "walletStatusChanged", reason, becomes, limited: false });
}

/** Closes a wallet for good, and moves the money away that is still in it. */
export function closeWallet(basis: Basis, command: CloseWallet): Outcome {
  const { walletId, sweepTo, reason, expected } = command;
  const amount = basis.walletOf(walletId)?.balance ?? zero;
  const legs = sweepTo === undefined ? [] : [{ from: { walletId }, to: sweepTo, amount }];
  const checked = prepare(basis, { legs, walletId, expected, isWhole: true });
  if ("refusal" in checked) return checked;
  const wallet = stateIn(checked, walletId);
  const refused = closedRefusal(wallet);
  if (refused !== undefined) return refuse(refused);
  if (!isZero(wallet.held)) return refuse({ reason: "OPEN_HOLDS", walletId });
  const becomes = { walletId, status: "CLOSED" } as const;
  const settlement = { kind: "walletStatusChanged", reason, becomes, limited: false } as const;
  if (isZero(wallet.balance)) {
    const alone = prepare(basis, { legs: [], walletId });
    return "refusal" in alone ? alone : settle(alone, settlement);
  }
  if (sweepTo === undefined) return refuse({ reason: "WALLET_NOT_EMPTY", walletId });
  const frozen = statusRefusal(checked);
  return frozen === undefined ? settle(checked, settlement) : refuse(frozen);
}

/** Changes what is kept beside a wallet. */
export function updateWallet(basis: Basis, command: UpdateWallet): Outcome {
  const { walletId, transferLimit, expected } = command;
  const movement = prepare(basis, { legs: [], walletId, expected });
  if ("refusal" in movement) return movement;
  const wallet = stateIn(movement, walletId);
  const limit = transferLimit === "none" ? undefined : (transferLimit ?? wallet.transferLimit);
  const imprecise = limit && precisionRefusal(limit, wallet.currency, basis.rules);
  const refused = imprecise ?? closedRefusal(wallet);
  if (refused !== undefined) return refuse(refused);
  return settle(movement, {
    kind: "walletUpdated",
    metadata: command.metadata ?? basis.metadataOf(walletId),
    becomes: { walletId, transferLimit: limit },
    limited: false,
  });
}

function stateIn({ states }: Movement, walletId: string): WalletState {
  const state = states.get(walletId);
  if (state === undefined) throw new Error("A movement lacks the wallet that it was made for.");
  return state;
}
