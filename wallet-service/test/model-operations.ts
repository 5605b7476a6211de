import type {
  CaptureHold,
  CloseWallet,
  Command,
  ExpectedVersion,
  MoveMoney,
  PlaceHold,
  ReleaseHold,
  ReverseTransaction,
  UpdateWallet,
} from "../src/decide/command.ts";
import {
  accounts,
  andThen,
  atMsOf,
  decimals,
  frozenOrClosed,
  heldOf,
  isPrecise,
  type ModelHold,
  type ModelLeg,
  type ModelState,
  type ModelWallet,
  namingRefusal,
  type Outcome,
  settle,
  statusRefusal,
  walletIdsOf,
  walletIn,
} from "./model-movement.ts";
import { unitsOf } from "./model-units.ts";

const holdLengthMaxMs = 31 * 86_400_000;

/** What a command would do to the state, or the reason of its refusal. */
export function plan(state: ModelState, command: Command, nowMs: number): Outcome {
  switch (command.kind) {
    case "createWallet":
      return create(state, command.walletId, command.currency, nowMs);
    case "fund":
    case "transfer":
    case "withdraw":
    case "post":
      return move(state, command, nowMs);
    case "placeHold":
      return placeHold(state, command, nowMs);
    case "captureHold":
      return captureHold(state, command, nowMs);
    case "releaseHold":
      return releaseHold(state, command, nowMs);
    case "reverseTransaction":
      return reverse(state, command, nowMs);
    case "changeStatus": {
      const { walletId, status, expected } = command;
      return change(state, { walletId, expected, nowMs }, (wallet) => {
        wallet.status = status;
      });
    }
    case "closeWallet":
      return close(state, command, nowMs);
    case "updateWallet":
      return update(state, command, nowMs);
  }
}

function create({ wallets }: ModelState, id: string, currency: string, nowMs: number): Outcome {
  if (!(currency in decimals)) return "UNKNOWN_CURRENCY";
  const wallet: ModelWallet = {
    units: 0n,
    version: 0n,
    status: "ACTIVE",
    limit: undefined,
    metadata: {},
    updateMs: nowMs,
    currency,
  };
  const apply = (): void => void wallets.set(id, wallet);
  return { atMs: nowMs, walletIds: [id], legs: [], apply };
}

function move(state: ModelState, command: MoveMoney, nowMs: number): Outcome {
  const legs = command.legs.map(({ from, to, amount }) => ({ from, to, units: unitsOf(amount) }));
  return (
    namingRefusal(state, { legs, expected: command.expected }) ??
    statusRefusal(state, legs) ??
    settle(state, { legs, nowMs, limited: true })
  );
}

function placeHold(state: ModelState, command: PlaceHold, nowMs: number): Outcome {
  const { walletId, holdId, amount, expireTimeMs: expireMs, expected } = command;
  const refused = namingRefusal(state, { legs: [], walletId, expected });
  if (refused !== undefined) return refused;
  const wallet = walletIn(state, walletId);
  const units = unitsOf(amount);
  if (!isPrecise(units, wallet.currency)) return "AMOUNT_PRECISION";
  if (wallet.status !== "ACTIVE") return frozenOrClosed(wallet);
  const tooEarly = expireMs <= Math.max(nowMs, wallet.updateMs);
  if (tooEarly || expireMs > nowMs + holdLengthMaxMs) return "EXPIRE_TIME";
  const heldBack = { walletId, units };
  const planned = settle(state, { legs: [], walletId, heldBack, nowMs, limited: true });
  const hold: ModelHold = { walletId, units, captured: 0n, status: "OPEN", expireMs };
  return andThen(planned, { holdId }, () => state.holds.set(holdId, hold));
}

function captureHold(state: ModelState, command: CaptureHold, nowMs: number): Outcome {
  const { holdId, payments, keepRemaining, expectedVersion: version } = command;
  const hold = state.holds.get(holdId);
  if (hold === undefined) return "HOLD_NOT_FOUND";
  const { walletId } = hold;
  const legs = payments.map(({ to, amount }) => {
    return { from: { walletId }, to, units: unitsOf(amount) };
  });
  const expected = version === undefined ? [] : [{ walletId, version }];
  const refused = namingRefusal(state, { legs, expected }) ?? statusRefusal(state, legs);
  if (refused !== undefined) return refused;
  if (hold.status !== "OPEN") return `HOLD_${hold.status}`;
  if (atMsOf(state, walletIdsOf(legs), nowMs) >= hold.expireMs) return "HOLD_EXPIRED";
  const paid = legs.reduce((sum, { units }) => sum + units, 0n);
  const remaining = hold.units - hold.captured;
  if (paid > remaining) return "HOLD_AMOUNT_EXCEEDED";
  const stays = keepRemaining && paid < remaining;
  const heldBack = { walletId, units: stays ? -paid : -remaining };
  return andThen(settle(state, { legs, heldBack, nowMs }), { holdId }, () => {
    hold.captured += paid;
    if (!stays) hold.status = "CAPTURED";
  });
}

function releaseHold(state: ModelState, command: ReleaseHold, nowMs: number): Outcome {
  const { holdId, expired, expectedVersion: version } = command;
  const hold = state.holds.get(holdId);
  if (hold === undefined) return "HOLD_NOT_FOUND";
  const { walletId } = hold;
  const expected = version === undefined ? [] : [{ walletId, version }];
  const refused = namingRefusal(state, { legs: [], walletId, expected });
  if (refused !== undefined) return refused;
  if (walletIn(state, walletId).status === "CLOSED") return "WALLET_CLOSED";
  if (hold.status !== "OPEN") return `HOLD_${hold.status}`;
  if (expired && atMsOf(state, [walletId], nowMs) < hold.expireMs) return "HOLD_NOT_DUE";
  const heldBack = { walletId, units: hold.captured - hold.units };
  return andThen(settle(state, { legs: [], walletId, heldBack, nowMs }), { holdId }, () => {
    hold.status = expired ? "EXPIRED" : "RELEASED";
  });
}

function reverse(state: ModelState, command: ReverseTransaction, nowMs: number): Outcome {
  const account = command.shortfallAccount;
  if (account !== undefined && !accounts.includes(account)) return "UNKNOWN_ACCOUNT";
  const original = state.transactions.get(command.transactionId);
  if (original === undefined) return "TRANSACTION_NOT_FOUND";
  if (original.isReversal || original.legs.length === 0) return "NOT_REVERSIBLE";
  const left = original.legs.map(({ units }, index) => units - (original.reversed[index] ?? 0n));
  const wanted =
    command.legs.length > 0
      ? command.legs.map(({ index, amount }) => ({ index, units: unitsOf(amount) }))
      : left.map((units, index) => ({ index, units })).filter(({ units }) => units > 0n);
  if (wanted.some(({ index }) => index >= left.length)) return "NO_SUCH_LEG";
  const legs = wanted.flatMap(({ index, units }) => {
    const leg = original.legs[index];
    return leg ? [{ from: leg.to, to: leg.from, units }] : [];
  });
  const refused = namingRefusal(state, { legs }) ?? statusRefusal(state, legs);
  if (refused !== undefined) return refused;
  const tooMuch = wanted.some(({ index, units }) => units > (left[index] ?? 0n));
  if (wanted.length === 0 || tooMuch) return "ALREADY_REVERSED";
  const paid = account === undefined ? legs : withShortfall(state, legs, account);
  if (paid.some(({ from, to }) => "account" in from && "account" in to)) {
    return "INSUFFICIENT_BALANCE";
  }
  return andThen(settle(state, { legs: paid, nowMs }), { reversal: wanted }, () => {
    for (const { index, units } of wanted) {
      original.reversed[index] = (original.reversed[index] ?? 0n) + units;
    }
  });
}

/** Each wallet pays what it can, with what comes in by the same transaction; the account the rest. */
function withShortfall(
  state: ModelState,
  legs: readonly ModelLeg[],
  account: string,
): readonly ModelLeg[] {
  const has = new Map<string, bigint>();
  for (const id of walletIdsOf(legs)) {
    const incoming = legs.filter(({ to }) => "walletId" in to && to.walletId === id);
    const comes = incoming.reduce((sum, { units }) => sum + units, 0n);
    has.set(id, walletIn(state, id).units - heldOf(state, id) + comes);
  }
  return legs.flatMap(({ from, to, units }) => {
    if ("account" in from) return [{ from, to, units }];
    const can = has.get(from.walletId) ?? 0n;
    const pays = can < units ? can : units;
    has.set(from.walletId, can - pays);
    const both = [
      { from, to, units: pays },
      { from: { account }, to, units: units - pays },
    ];
    return both.filter((leg) => leg.units > 0n);
  });
}

function close(state: ModelState, command: CloseWallet, nowMs: number): Outcome {
  const { walletId, sweepTo, expected } = command;
  const units = state.wallets.get(walletId)?.units ?? 0n;
  const legs = sweepTo === undefined ? [] : [{ from: { walletId }, to: sweepTo, units }];
  const refused = namingRefusal(state, { legs, walletId, expected });
  if (refused !== undefined) return refused;
  const wallet = walletIn(state, walletId);
  if (wallet.status === "CLOSED") return "WALLET_CLOSED";
  if (heldOf(state, walletId) > 0n) return "OPEN_HOLDS";
  if (units > 0n && sweepTo === undefined) return "WALLET_NOT_EMPTY";
  const moved = units > 0n ? legs : [];
  const frozen = statusRefusal(state, moved);
  if (frozen !== undefined) return frozen;
  return andThen(settle(state, { legs: moved, walletId, nowMs }), {}, () => {
    wallet.status = "CLOSED";
  });
}

function update(state: ModelState, command: UpdateWallet, nowMs: number): Outcome {
  const { walletId, metadata, transferLimit, expected } = command;
  const refused = namingRefusal(state, { legs: [], walletId, expected });
  if (refused !== undefined) return refused;
  const limit = typeof transferLimit === "object" ? unitsOf(transferLimit) : transferLimit;
  if (typeof limit === "bigint" && !isPrecise(limit, walletIn(state, walletId).currency)) {
    return "AMOUNT_PRECISION";
  }
  const planned = change(state, { walletId, expected, nowMs }, (wallet) => {
    if (metadata !== undefined) wallet.metadata = metadata;
    if (limit !== undefined) wallet.limit = limit === "none" ? undefined : limit;
  });
  return andThen(planned, { settingsOf: walletId }, () => undefined);
}

function change(
  state: ModelState,
  {
    walletId,
    expected,
    nowMs,
  }: { walletId: string; expected: readonly ExpectedVersion[] | undefined; nowMs: number },
  make: (wallet: ModelWallet) => void,
): Outcome {
  const refused = namingRefusal(state, { legs: [], walletId, expected });
  if (refused !== undefined) return refused;
  const wallet = walletIn(state, walletId);
  if (wallet.status === "CLOSED") return "WALLET_CLOSED";
  return andThen(settle(state, { legs: [], walletId, nowMs }), {}, () => make(wallet));
}
