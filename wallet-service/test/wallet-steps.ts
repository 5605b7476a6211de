import fc from "fast-check";
import type { WalletStatus } from "../src/wallet.ts";
import { unitsMax } from "./model-movement.ts";

/** One end of a movement: a wallet by its number, or an account. */
export type SidePick = { readonly wallet: number } | { readonly account: string };

/** One leg of a movement; amounts are in ten-thousandths. */
export interface LegPick {
  readonly from: SidePick;
  readonly to: SidePick;
  readonly units: bigint;
}

/** How far an expected version is from the true one; `undefined` expects none. */
type VersionError = bigint | undefined;

/**
 * One step of a random history. Wallets, holds and transactions are named by number, modulo those
 * that exist; `unknown` stands for one that never exists.
 */
export type Step =
  | { readonly kind: "create"; readonly currency: string }
  | {
      readonly kind: "fund" | "transfer" | "withdraw" | "post";
      readonly legs: readonly LegPick[];
      readonly versionError: VersionError;
      readonly rate: string | undefined;
    }
  | {
      readonly kind: "placeHold";
      readonly wallet: number;
      readonly units: bigint;
      readonly lengthMs: number;
      readonly versionError: VersionError;
    }
  | {
      readonly kind: "captureHold";
      readonly hold: number;
      readonly payments: readonly { readonly to: SidePick; readonly units: bigint }[];
      readonly keepRemaining: boolean;
      readonly versionError: VersionError;
    }
  | {
      readonly kind: "releaseHold";
      readonly hold: number;
      readonly expired: boolean;
      readonly versionError: VersionError;
    }
  | {
      readonly kind: "reverse";
      readonly transaction: number;
      readonly legs: readonly { readonly index: number; readonly units: bigint }[];
      readonly shortfallAccount: string | undefined;
    }
  | {
      readonly kind: "changeStatus";
      readonly wallet: number;
      readonly status: Exclude<WalletStatus, "CLOSED">;
      readonly versionError: VersionError;
    }
  | {
      readonly kind: "close";
      readonly wallet: number;
      readonly sweepTo: SidePick | undefined;
      readonly versionError: VersionError;
    }
  | {
      readonly kind: "update";
      readonly wallet: number;
      readonly metadata: Readonly<Record<string, string>> | undefined;
      readonly limitUnits: bigint | "none" | undefined;
      readonly versionError: VersionError;
    }
  /** An earlier request with a request_id, once more; perhaps with another reference. */
  | { readonly kind: "repeat"; readonly request: number; readonly otherReference: boolean };

/** A step, and what it is sent with. */
export interface SentStep {
  readonly step: Step;
  /** Few different ones, so that many are used with other input. */
  readonly requestId: string;
  readonly reference: string;
}

/** The number of what does not exist. */
export const unknown = -1;

const lengthMaxMs = 31 * 86_400_000;
const numbers = fc.oneof(
  { weight: 15, arbitrary: fc.nat({ max: 3 }) },
  { weight: 15, arbitrary: fc.nat({ max: 23 }) },
  { weight: 1, arbitrary: fc.constant(unknown) },
);
const units = fc.oneof(
  // Whole units pass in every currency.
  { weight: 12, arbitrary: fc.bigInt({ min: 1n, max: 30n }).map((whole) => whole * 10_000n) },
  { weight: 1, arbitrary: fc.bigInt({ min: 1n, max: 60_000n }) },
  { weight: 1, arbitrary: fc.bigInt({ min: 1n, max: 6_000n }).map((tenths) => tenths * 10n) },
);
const fundedUnits = fc.oneof(
  { weight: 8, arbitrary: units },
  { weight: 1, arbitrary: fc.bigInt({ min: unitsMax / 2n, max: unitsMax }) },
);
const versionError: fc.Arbitrary<VersionError> = fc.oneof(
  { weight: 6, arbitrary: fc.constant(undefined) },
  { weight: 2, arbitrary: fc.constant(0n) },
  { weight: 1, arbitrary: fc.constantFrom(-1n, 1n) },
);
const accounts = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom("external", "bank", "fees") },
  { weight: 1, arbitrary: fc.constant("nowhere") },
);
const walletSide = numbers.map((wallet): SidePick => ({ wallet }));
const accountSide = accounts.map((account): SidePick => ({ account }));
const anySide = fc.oneof(
  { weight: 4, arbitrary: walletSide },
  { weight: 1, arbitrary: accountSide },
);

function legs(
  from: fc.Arbitrary<SidePick>,
  to: fc.Arbitrary<SidePick>,
  amounts: fc.Arbitrary<bigint>,
  maxLength = 1,
): fc.Arbitrary<LegPick[]> {
  return fc.array(fc.record({ from, to, units: amounts }), { minLength: 1, maxLength });
}

const moves = fc.oneof(
  { weight: 3, arbitrary: move("fund", legs(accountSide, walletSide, fundedUnits)) },
  { weight: 3, arbitrary: move("transfer", legs(walletSide, walletSide, units)) },
  { weight: 1, arbitrary: move("withdraw", legs(walletSide, accountSide, units)) },
  { weight: 3, arbitrary: move("post", legs(anySide, anySide, units, 4)) },
);

function move(
  kind: "fund" | "transfer" | "withdraw" | "post",
  picked: fc.Arbitrary<LegPick[]>,
): fc.Arbitrary<Step> {
  const rate = kind === "post" ? fc.constantFrom(undefined, "1.0842") : fc.constant(undefined);
  return fc.record({ kind: fc.constant(kind), legs: picked, versionError, rate });
}

const holds = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("placeHold" as const),
      wallet: numbers,
      units,
      lengthMs: fc.oneof(
        { weight: 6, arbitrary: fc.integer({ min: 1, max: 12_000 }) },
        { weight: 4, arbitrary: fc.integer({ min: 1, max: lengthMaxMs }) },
        { weight: 1, arbitrary: fc.integer({ min: -5_000, max: 0 }) },
        { weight: 1, arbitrary: fc.integer({ min: lengthMaxMs, max: lengthMaxMs + 6_000 }) },
      ),
      versionError,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("captureHold" as const),
      hold: numbers,
      payments: fc.array(fc.record({ to: anySide, units }), { minLength: 1, maxLength: 3 }),
      keepRemaining: fc.boolean(),
      versionError,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("releaseHold" as const),
      hold: numbers,
      expired: fc.boolean(),
      versionError,
    }),
  },
);

const reversals = fc.record({
  kind: fc.constant("reverse" as const),
  transaction: numbers,
  legs: fc.oneof(
    fc.constant([]),
    fc
      .uniqueArray(fc.record({ index: fc.constantFrom(0, 0, 0, 1, 1, 2, 3), units }), {
        minLength: 1,
        maxLength: 2,
        selector: ({ index }) => index,
      })
      .map((picked) => picked.toSorted((one, other) => one.index - other.index)),
  ),
  shortfallAccount: fc.oneof(
    { weight: 2, arbitrary: fc.constant(undefined) },
    { weight: 2, arbitrary: accounts },
  ),
});

const walletSteps = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("changeStatus" as const),
      wallet: numbers,
      status: fc.constantFrom("ACTIVE", "ACTIVE", "FROZEN", "FROZEN_OUTGOING"),
      versionError,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("close" as const),
      wallet: numbers,
      sweepTo: fc.oneof(fc.constant(undefined), anySide),
      versionError,
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("update" as const),
      wallet: numbers,
      metadata: fc.constantFrom(undefined, undefined, {}, { tier: "gold" }, { a: "1", b: "2" }),
      limitUnits: fc.oneof(
        { weight: 2, arbitrary: fc.constantFrom(undefined, "none" as const) },
        { weight: 1, arbitrary: units },
      ),
      versionError,
    }),
  },
);

const currencies = fc.constantFrom(
  "USD",
  "USD",
  "USD",
  "USD",
  "USD",
  "USD",
  "USD",
  "EUR",
  "JPY",
  "KWD",
  "XAU",
);

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 1, arbitrary: currencies.map((currency): Step => ({ kind: "create", currency })) },
  { weight: 10, arbitrary: moves },
  { weight: 8, arbitrary: holds },
  { weight: 5, arbitrary: reversals },
  { weight: 4, arbitrary: walletSteps },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("repeat" as const),
      request: fc.nat({ max: 20 }),
      otherReference: fc.constantFrom(false, false, false, true),
    }),
  },
);

/** Random steps with what they are sent with. */
export const sentSteps: fc.Arbitrary<SentStep> = fc.record({
  step: steps,
  requestId: fc.oneof(
    { weight: 3, arbitrary: fc.constant("") },
    { weight: 2, arbitrary: fc.nat({ max: 40 }).map(String) },
  ),
  reference: fc.oneof(
    { weight: 3, arbitrary: fc.constant("") },
    { weight: 1, arbitrary: fc.constantFrom("r1", "r2", "r3") },
  ),
});

function opening(step: Step): SentStep {
  return { step, requestId: "", reference: "" };
}

function funding(wallet: number): SentStep {
  const leg = { from: { account: "external" }, to: { wallet }, units: 1_000_000n };
  return opening({ kind: "fund", legs: [leg], versionError: undefined, rate: undefined });
}

/** The groups that every history begins with, so that most of what follows can happen. */
export const openingGroups: readonly (readonly SentStep[])[] = [
  ["USD", "USD", "USD", "USD", "USD", "USD", "JPY", "JPY", "KWD"].map((currency) => {
    return opening({ kind: "create", currency });
  }),
  [0, 1, 2, 3, 6, 8].map(funding),
  [0, 0, 1, 2, 6].map((wallet) => {
    const units = 250_000n;
    return opening({ kind: "placeHold", wallet, units, lengthMs: 60_000, versionError: undefined });
  }),
];
