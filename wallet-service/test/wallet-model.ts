import fc from "fast-check";
import { type Command, type ExpectedVersion, fund, transfer } from "../src/decide/command.ts";
import { parseAmount, zero } from "../src/money.ts";
import type { Leg } from "../src/wallet.ts";

/**
 * One step of a random history. Wallets are named by number, modulo those that exist; one number
 * stands for a wallet that never exists. Amounts are in ten-thousandths.
 */
export type Step =
  | { readonly kind: "create"; readonly currency: string }
  | {
      readonly kind: "fund" | "transfer";
      readonly from: number;
      readonly to: number;
      readonly units: bigint;
      /** How far the expected version is from the true one; `undefined` expects none. */
      readonly versionError: bigint | undefined;
    };

/** A step, and the request_id it is sent with; few different ones, so that many are repeats. */
export interface SentStep {
  readonly step: Step;
  readonly requestId: string;
}

const unitsMax = 9_999_999_999_999_999_999n;
const wallets = fc.nat({ max: 6 });
const amounts = fc.oneof(
  { weight: 6, arbitrary: fc.bigInt({ min: 1n, max: 50_000n }) },
  { weight: 1, arbitrary: fc.bigInt({ min: unitsMax / 2n, max: unitsMax }) },
);
const versionErrors = fc.oneof(
  { weight: 4, arbitrary: fc.constant(undefined) },
  { weight: 2, arbitrary: fc.constant(0n) },
  { weight: 1, arbitrary: fc.constantFrom(-1n, 1n) },
);

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("USD", "USD", "EUR")
      .map((currency): Step => ({ kind: "create", currency })),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constantFrom("fund" as const, "transfer" as const, "transfer" as const),
      from: wallets,
      to: wallets,
      units: amounts,
      versionError: versionErrors,
    }),
  },
);

/** Random steps with request ids. */
export const sentSteps: fc.Arbitrary<SentStep> = fc.record({
  step: steps,
  requestId: fc.oneof(
    { weight: 2, arbitrary: fc.constant("") },
    { weight: 3, arbitrary: fc.constantFrom("a", "b", "c", "d", "e", "f", "g") },
  ),
});

interface ModelWallet {
  units: bigint;
  version: bigint;
  readonly currency: string;
}

/** What the model expects of a command. */
export type Expected =
  | { readonly refused: string }
  | { readonly balances: readonly string[]; readonly repeated: boolean };

/** A wallet system so simple that it is easily seen to be right: one thread, one map, bigints. */
export class WalletModel {
  readonly wallets = new Map<string, ModelWallet>();
  readonly #ids: string[] = [];
  readonly #requests = new Map<string, { input: string; answer: readonly string[] }>();
  #funded = 0n;

  /** Makes the command of a step; `newId` is for a wallet to create. */
  commandOf(step: Step, newId: string): Command {
    if (step.kind === "create") {
      return { kind: "createWallet", walletId: newId, userId: "u", currency: step.currency };
    }
    const from = this.#idAt(step.from);
    const to = this.#idAt(step.to);
    const named = step.kind === "fund" ? to : from;
    const version = this.wallets.get(named)?.version ?? 0n;
    const error = step.versionError;
    const expected = error === undefined ? undefined : version + error < 0n ? 0n : version + error;
    const amount = parseAmount(written(step.units)) ?? zero;
    return step.kind === "fund" ? fund(to, amount, expected) : transfer(from, to, amount, expected);
  }

  /** Carries out a command, and says what the real system must answer. */
  expect(command: Command, requestId: string): Expected {
    const input = inputOf(command);
    const first = requestId === "" ? undefined : this.#requests.get(requestId);
    if (first) {
      return first.input === input
        ? { balances: first.answer, repeated: true }
        : { refused: "REQUEST_ID_REUSED" };
    }
    const outcome = this.#carryOut(command);
    if (typeof outcome === "string") return { refused: outcome };
    if (requestId !== "") this.#requests.set(requestId, { input, answer: outcome });
    return { balances: outcome, repeated: false };
  }

  /** What all wallets hold, as it was funded, in ten-thousandths. */
  get funded(): bigint {
    return this.#funded;
  }

  #idAt(number: number): string {
    // One number more than there are wallets: sometimes the wallet does not exist.
    return this.#ids[number % (this.#ids.length + 1)] ?? "ffffffff-ffff-7fff-bfff-ffffffffffff";
  }

  #carryOut(command: Command): string | string[] {
    if (command.kind === "createWallet") {
      const { walletId, currency } = command;
      this.wallets.set(walletId, { units: 0n, version: 0n, currency });
      this.#ids.push(walletId);
      return ["0.0000"];
    }
    const { leg, expected } = movementOf(command);
    const ids = [leg.from, leg.to].flatMap((side) => ("walletId" in side ? [side.walletId] : []));
    if (ids[0] === ids[1]) return "SAME_WALLET";
    const touched = ids.map((id) => this.wallets.get(id));
    const [named] = touched;
    const receiver = touched.at(-1);
    if (!named || !receiver) return "WALLET_NOT_FOUND";
    if (expected && expected.version !== named.version) return "VERSION_CONFLICT";
    if (named.currency !== receiver.currency) return "CURRENCY_MISMATCH";
    const units = BigInt(leg.amount.times(10_000).toFixed(0));
    if (named !== receiver && named.units < units) return "INSUFFICIENT_BALANCE";
    if (receiver.units + units > unitsMax) return "BALANCE_LIMIT";
    if (named === receiver) this.#funded += units;
    else named.units -= units;
    receiver.units += units;
    for (const wallet of new Set([named, receiver])) wallet.version += 1n;
    return [...new Set([named, receiver])].map((wallet) => written(wallet.units));
  }
}

function inputOf(command: Command): string {
  if (command.kind === "createWallet") return `create ${command.currency}`;
  const { leg } = movementOf(command);
  return JSON.stringify([command.kind, leg.from, leg.to, leg.amount.toFixed(4)]);
}

function movementOf(command: Command): { leg: Leg; expected: ExpectedVersion | undefined } {
  const [leg] = command.kind === "fund" || command.kind === "transfer" ? command.legs : [];
  if (leg === undefined) throw new Error("This model knows fundings and transfers only.");
  return { leg, expected: "expected" in command ? command.expected?.[0] : undefined };
}

/** Ten-thousandths as the contract writes an amount. */
export function written(units: bigint): string {
  const digits = units.toString().padStart(5, "0");
  return `${digits.slice(0, -4)}.${digits.slice(-4)}`;
}
