import { type Amount, add, isLess, isZero, subtract, zero } from "../money.ts";
import type { Leg, Outcome, PostedTransaction, Refusal, Side, WalletState } from "../wallet.ts";
import type { Basis, ReverseTransaction } from "./command.ts";
import { prepare, refuse, settle, statusRefusal } from "./movement.ts";

type ReversedLeg = ReverseTransaction["legs"][number];

/** Takes back a transaction: the same legs the other way round, as far as they are left. */
export function reverseTransaction(basis: Basis, command: ReverseTransaction): Outcome {
  const { transactionId, shortfallAccount } = command;
  const original = basis.transactionOf(transactionId);
  if (original === undefined) return refuse({ reason: "TRANSACTION_NOT_FOUND", transactionId });
  if (original.isReversal || original.legs.length === 0) {
    return refuse({ reason: "NOT_REVERSIBLE", transactionId });
  }
  if (shortfallAccount !== undefined && !basis.rules.isAccount(shortfallAccount)) {
    return refuse({ reason: "UNKNOWN_ACCOUNT", account: shortfallAccount });
  }
  const left = leftOf(original, basis.reversedOf(transactionId));
  const wanted = command.legs.length > 0 ? command.legs : everythingOf(left);
  const missing = wanted.find(({ index }) => original.legs[index] === undefined);
  if (missing !== undefined) {
    const legCount = original.legs.length;
    return refuse({ reason: "NO_SUCH_LEG", transactionId, index: missing.index, legCount });
  }
  const legs = wanted.flatMap((leg) => turnRound(leg, original));
  const movement = prepare(basis, { legs });
  if ("refusal" in movement) return movement;
  const refused = statusRefusal(movement) ?? reversedRefusal(transactionId, wanted, left);
  if (refused !== undefined) return refuse(refused);
  const settlement = {
    kind: "transactionPosted",
    reversal: { transactionId, legs: wanted },
    limited: false,
  } as const;
  if (shortfallAccount === undefined) return settle(movement, settlement);
  const shared = shareShortfall(legs, movement.states, shortfallAccount);
  const sharedMovement = prepare(basis, { legs: shared });
  return "refusal" in sharedMovement ? sharedMovement : settle(sharedMovement, settlement);
}

function leftOf({ legs }: PostedTransaction, reversed: readonly Amount[]): readonly Amount[] {
  return legs.map(({ amount }, index) => subtract(amount, reversed[index] ?? zero));
}

function everythingOf(left: readonly Amount[]): ReversedLeg[] {
  return left.map((amount, index) => ({ index, amount })).filter(({ amount }) => !isZero(amount));
}

function turnRound({ index, amount }: ReversedLeg, { legs }: PostedTransaction): Leg[] {
  const leg = legs[index];
  return leg === undefined ? [] : [{ from: leg.to, to: leg.from, amount }];
}

function reversedRefusal(
  transactionId: string,
  wanted: readonly ReversedLeg[],
  left: readonly Amount[],
): Refusal | undefined {
  const reason = "ALREADY_REVERSED";
  if (wanted.length === 0) return { reason, transactionId, index: 0, left: zero };
  for (const { index, amount } of wanted) {
    const rest = left[index] ?? zero;
    if (isLess(rest, amount)) return { reason, transactionId, index, left: rest };
  }
  return undefined;
}

/** Lets the account pay what wallets do not have available, leg by leg in their order. */
function shareShortfall(
  legs: readonly Leg[],
  states: ReadonlyMap<string, WalletState>,
  account: string,
): Leg[] {
  const available = new Map(
    [...states.values()].map(({ id, balance, held }) => [id, subtract(balance, held)]),
  );
  const move = (side: Side, amount: Amount): void => {
    if (!("walletId" in side)) return;
    available.set(side.walletId, add(available.get(side.walletId) ?? zero, amount));
  };
  return legs.flatMap(({ from, to, amount }) => {
    const has = "walletId" in from ? available.get(from.walletId) : undefined;
    const pays = has !== undefined && isLess(has, amount) ? has : amount;
    const rest = subtract(amount, pays);
    move(from, subtract(zero, pays));
    move(to, amount);
    return [
      { from, to, amount: pays },
      { from: { account }, to, amount: rest },
    ].filter((leg) => !isZero(leg.amount));
  });
}
