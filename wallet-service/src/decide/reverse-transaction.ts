import { type Amount, add, isLess, isZero, subtract, zero } from "../money.ts";
import type { Leg, Outcome, PostedTransaction, Refusal, WalletState } from "../wallet.ts";
import type { Basis, ReverseTransaction } from "./command.ts";
import { prepare, refuse, settle, statusRefusal } from "./movement.ts";

type ReversedLeg = ReverseTransaction["legs"][number];

/** Takes back a transaction: the same legs the other way round, as far as they are left. */
export function reverseTransaction(basis: Basis, command: ReverseTransaction): Outcome {
  const { transactionId, shortfallAccount } = command;
  if (shortfallAccount !== undefined && !basis.rules.isAccount(shortfallAccount)) {
    return refuse({ reason: "UNKNOWN_ACCOUNT", account: shortfallAccount });
  }
  const original = basis.transactionOf(transactionId);
  if (original === undefined) return refuse({ reason: "TRANSACTION_NOT_FOUND", transactionId });
  if (original.isReversal || original.legs.length === 0) {
    return refuse({ reason: "NOT_REVERSIBLE", transactionId });
  }
  const legCount = original.legs.length;
  if (command.onlyLeg === true && legCount > 1) {
    return refuse({ reason: "SEVERAL_LEGS", transactionId, legCount });
  }
  const left = leftOf(original, basis.reversedOf(transactionId));
  const wanted = command.legs.length > 0 ? command.legs : everythingOf(left);
  const missing = wanted.find(({ index }) => original.legs[index] === undefined);
  if (missing !== undefined) {
    return refuse({ reason: "NO_SUCH_LEG", transactionId, index: missing.index, legCount });
  }
  const legs = wanted.flatMap((leg) => turnRound(leg, original));
  const isWhole = command.legs.length === 0;
  const movement = prepare(basis, { legs, isWhole });
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
  if (!Array.isArray(shared)) return shared;
  const sharedMovement = prepare(basis, { legs: shared, isWhole: true });
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

/**
 * Lets the account pay what wallets do not have available, leg by leg in their order. What the same
 * transaction brings a wallet counts as available: it only lacks what is missing in the end.
 */
function shareShortfall(
  legs: readonly Leg[],
  states: ReadonlyMap<string, WalletState>,
  account: string,
): Leg[] | { readonly refusal: Refusal } {
  const available = new Map<string, Amount>();
  for (const { id, balance, held } of states.values()) {
    available.set(id, add(subtract(balance, held), receivedBy(id, legs)));
  }
  const shared: Leg[] = [];
  for (const leg of legs) {
    const { from, to, amount } = leg;
    const has = "walletId" in from ? (available.get(from.walletId) ?? zero) : amount;
    const pays = isLess(has, amount) ? has : amount;
    if ("walletId" in from) available.set(from.walletId, subtract(has, pays));
    const lacking = subtract(amount, pays);
    // The account may not pay another account: what a wallet lacks there is lacking.
    if (!isZero(lacking) && "walletId" in from && "account" in to) {
      return refuse({ reason: "INSUFFICIENT_BALANCE", walletId: from.walletId });
    }
    if (!isZero(pays)) shared.push({ from, to, amount: pays });
    if (!isZero(lacking)) shared.push({ from: { account }, to, amount: lacking });
  }
  return shared;
}

function receivedBy(walletId: string, legs: readonly Leg[]): Amount {
  return legs.reduce((sum, { to, amount }) => {
    return "walletId" in to && to.walletId === walletId ? add(sum, amount) : sum;
  }, zero);
}
