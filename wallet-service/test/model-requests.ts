import type { Command, ExpectedVersion } from "../src/decide/command.ts";
import { parseAmount, zero } from "../src/money.ts";
import type { Leg, Side } from "../src/wallet.ts";
import { walletIdsOf } from "./model-movement.ts";
import { written } from "./model-units.ts";
import type { Sent, WalletModel } from "./wallet-model.ts";
import { type SentStep, type SidePick, type Step, unknown } from "./wallet-steps.ts";

/** A request to the real system, and what the model is asked. */
export interface ModelRequest extends Sent {
  readonly command: Command;
}

/** Makes requests of steps, and remembers those that can be repeated. */
export interface StepRequests {
  /**
   * The request of a step, as a caller makes it who knows what was answered so far.
   *
   * @param newId for what the command creates
   * @param nowMs on the caller's clock
   */
  requestOf(sent: SentStep, newId: string, nowMs: number): ModelRequest;
}

type PlainStep = Exclude<Step, { kind: "repeat" }>;

const unknownId = "ffffffff-ffff-7fff-bfff-ffffffffffff";

/** Begins without any request. */
export function createStepRequests(model: WalletModel): StepRequests {
  const repeatable: ModelRequest[] = [];
  return {
    requestOf({ step, requestId, reference }, newId, nowMs) {
      if (step.kind === "releaseHold" && step.expired) {
        // No caller can ask for it: the sweep does, and it never repeats.
        const command = commandOf(model, step, { newId, nowMs });
        return { command, requestId: "", reference: "" };
      }
      if (step.kind !== "repeat") {
        const command = commandOf(model, step, { newId, nowMs });
        const request = { command, requestId, reference };
        if (requestId !== "") repeatable.push(request);
        return request;
      }
      const first = repeatable[step.request % Math.max(1, repeatable.length)];
      if (first === undefined) {
        const command = commandOf(model, { kind: "create", currency: "USD" }, { newId, nowMs });
        return { command, requestId, reference };
      }
      const command = withNewId(first.command, newId);
      return step.otherReference
        ? { ...first, command, reference: `${first.reference} too` }
        : { ...first, command };
    },
  };
}

/** Every try of a call brings the ids of what it creates anew. */
function withNewId(command: Command, newId: string): Command {
  if (command.kind === "createWallet") return { ...command, walletId: newId };
  return command.kind === "placeHold" ? { ...command, holdId: newId } : command;
}

function commandOf(
  model: WalletModel,
  step: PlainStep,
  { newId, nowMs }: { newId: string; nowMs: number },
): Command {
  switch (step.kind) {
    case "create":
      return { kind: "createWallet", walletId: newId, userId: "u", currency: step.currency };
    case "fund":
    case "transfer":
    case "withdraw":
    case "post":
      return moveOf(model, step);
    case "placeHold": {
      const walletId = walletAt(model, step.wallet);
      const amount = amountOf(step.units);
      const expected = expectedOf(model, walletId, step.versionError);
      const expireTimeMs = nowMs + step.lengthMs;
      return { kind: "placeHold", holdId: newId, walletId, amount, expireTimeMs, ...expected };
    }
    case "captureHold": {
      const { kind, keepRemaining } = step;
      const payments = step.payments.map(({ to, units }) => {
        return { to: sideOf(model, to), amount: amountOf(units) };
      });
      const named = holdOf(model, step);
      return { kind, payments, keepRemaining, ...named };
    }
    case "releaseHold":
      return { kind: step.kind, expired: step.expired, ...holdOf(model, step) };
    case "reverse": {
      const { shortfallAccount } = step;
      const transactionId = transactionAt(model, step.transaction);
      const legs = step.legs.map(({ index, units }) => ({ index, amount: amountOf(units) }));
      const shortfall = shortfallAccount === undefined ? {} : { shortfallAccount };
      return { kind: "reverseTransaction", transactionId, legs, ...shortfall };
    }
    default:
      return walletCommandOf(model, step);
  }
}

function walletCommandOf(
  model: WalletModel,
  step: Extract<Step, { kind: "changeStatus" | "close" | "update" }>,
): Command {
  const walletId = walletAt(model, step.wallet);
  const expected = expectedOf(model, walletId, step.versionError);
  switch (step.kind) {
    case "changeStatus":
      return { kind: "changeStatus", walletId, status: step.status, reason: "", ...expected };
    case "close": {
      const sweep = step.sweepTo && { sweepTo: sideOf(model, step.sweepTo) };
      return { kind: "closeWallet", walletId, reason: "", ...sweep, ...expected };
    }
    case "update": {
      const { metadata, limitUnits } = step;
      const limit = typeof limitUnits === "bigint" ? amountOf(limitUnits) : limitUnits;
      return {
        kind: "updateWallet",
        walletId,
        ...(metadata && { metadata }),
        ...(limit && { transferLimit: limit }),
        ...expected,
      };
    }
  }
}

function moveOf(
  model: WalletModel,
  step: Extract<Step, { kind: "fund" | "transfer" | "withdraw" | "post" }>,
): Command {
  const legs = step.legs.map(({ from, to, units }): Leg => {
    return { from: sideOf(model, from), to: sideOf(model, to), amount: amountOf(units) };
  });
  const [named] = walletIdsOf(legs.map((leg) => ({ ...leg, units: 0n })));
  return {
    kind: step.kind,
    legs,
    ...(named !== undefined && expectedOf(model, named, step.versionError)),
    ...(step.rate !== undefined && { exchange: { rate: step.rate, quoteId: "" } }),
  };
}

function holdOf(
  model: WalletModel,
  { hold, versionError }: { hold: number; versionError: bigint | undefined },
): { holdId: string; expectedVersion?: bigint } {
  const holdId = pick([...model.holds.keys()].toReversed(), hold);
  const walletId = model.holds.get(holdId)?.walletId ?? "";
  const [expected] = expectedOf(model, walletId, versionError).expected ?? [];
  return { holdId, ...(expected && { expectedVersion: expected.version }) };
}

function expectedOf(
  { wallets }: WalletModel,
  walletId: string,
  error: bigint | undefined,
): { expected?: readonly ExpectedVersion[] } {
  if (error === undefined) return {};
  const version = (wallets.get(walletId)?.version ?? 0n) + error;
  return { expected: [{ walletId, version: version < 0n ? 0n : version }] };
}

function sideOf(model: WalletModel, side: SidePick): Side {
  return "account" in side ? side : { walletId: walletAt(model, side.wallet) };
}

function walletAt({ wallets }: WalletModel, number: number): string {
  return pick([...wallets.keys()], number);
}

/** Mostly one that moved money. */
function transactionAt({ transactions }: WalletModel, number: number): string {
  const all = [...transactions].filter(([, { legs }]) => legs.length > 0 || number % 12 === 0);
  return pick(all.map(([id]) => id).toReversed(), number);
}

function pick(ids: readonly string[], number: number): string {
  return number === unknown ? unknownId : (ids[number % ids.length] ?? unknownId);
}

function amountOf(units: bigint): typeof zero {
  return parseAmount(written(units)) ?? zero;
}
