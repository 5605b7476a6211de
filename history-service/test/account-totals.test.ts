import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listAccountEntries, listCurrencyTotals, readAccountTotal } from "../src/account-store.ts";
import { amountText } from "../src/amount-units.ts";
import { readProgress } from "../src/event-store.ts";
import { verifyJournal } from "../src/journal-verification.ts";
import type { ArrivedMessage } from "../src/parked-event-store.ts";
import { createJournalMaker, type JournalMaker, type MadeLeg, startMs } from "./journal-maker.ts";
import { createHistoryBed, type HistoryBed } from "./test-history.ts";

let bed: HistoryBed;
beforeAll(async () => {
  bed = await createHistoryBed();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

const accounts = ["bank", "external", "fees"] as const;
const currencies = ["EUR", "USD"] as const;
// So many positions lie between two totals; the journal has some of them.
const positionsPerTotal = 1_000;
const positionsMax = 2_500;

/** A leg of an account as the test knows it. */
interface KnownLeg {
  readonly account: string;
  readonly currency: string;
  readonly position: bigint;
  readonly legIndex: number;
  /** What it added to the account. */
  readonly units: bigint;
  readonly occurredAtMs: number;
}

interface KnownJournal {
  readonly messages: readonly ArrivedMessage[];
  readonly legs: readonly KnownLeg[];
}

type Numbers = () => number;

/** Numbers below 2^31 that follow from a seed. */
function numbersFrom(seed: number): Numbers {
  let state = BigInt(seed) + 1n;
  return () => {
    state = (state * 6_364_136_223_846_793_005n + 1_442_695_040_888_963_407n) % 2n ** 64n;
    return Number(state >> 33n);
  };
}

function pick<T>(of: readonly T[], next: Numbers): T {
  const found = of[next() % of.length];
  if (found === undefined) throw new Error("Nothing to pick from.");
  return found;
}

/** Legs between wallets and accounts, some of them several in one event, by clocks that differ. */
function makeJournal(next: Numbers): KnownJournal {
  const journal = createJournalMaker("totals");
  const wallets = currencies.flatMap((currency) => {
    return [1, 2, 3].map(() => ({ id: journal.createWallet(currency), currency }));
  });
  const legs: KnownLeg[] = [];
  const skewMs = 1 + (next() % 3) * 90_000;
  while (journal.messages.length < positionsMax) {
    // One clock in a while is far ahead of what comes in the next thousands.
    const aheadMs = next() % 400 === 0 ? 400_000 : 0;
    const occurredAtMs = startMs + journal.messages.length * 100 + (next() % skewMs) + aheadMs;
    const position = BigInt(journal.messages.length + 1);
    const made = Array.from({ length: 1 + (next() % 3) }, () => randomLeg(journal, wallets, next));
    journal.append({ kind: { case: "transactionPosted", value: {} }, legs: made, occurredAtMs });
    for (const [legIndex, leg] of made.entries()) {
      const wallet = wallets.find(({ id }) => id === leg.from || id === leg.to);
      const comesFromAccount = wallet?.id === leg.to;
      const account = comesFromAccount ? leg.from : leg.to;
      const units = comesFromAccount ? -leg.units : leg.units;
      const currency = wallet?.currency ?? "";
      legs.push({ account, currency, position, legIndex, units, occurredAtMs });
    }
  }
  journal.endSegment();
  return { messages: journal.messages, legs };
}

function randomLeg(
  journal: JournalMaker,
  wallets: readonly { readonly id: string }[],
  next: Numbers,
): MadeLeg {
  const account = pick(accounts, next);
  const { id } = pick(wallets, next);
  const units = BigInt(1 + (next() % 1_000_000));
  const canPay = (journal.wallets.get(id)?.units ?? 0n) >= 3_000_000n;
  return canPay && next() % 2 === 0
    ? { from: id, to: account, units }
    : { from: account, to: id, units };
}

/** The same, added up leg by leg. */
function plainTotal(
  { legs }: KnownJournal,
  { account, currency }: { account: string; currency: string },
  isIn: (leg: KnownLeg) => boolean,
): object {
  const units = legs
    .filter((leg) => leg.account === account && leg.currency === currency && isIn(leg))
    .map((leg) => leg.units);
  const sum = (some: readonly bigint[]): bigint => some.reduce((all, each) => all + each, 0n);
  return {
    total: amountText(sum(units)),
    totalIn: amountText(sum(units.filter((each) => each > 0n))),
    totalOut: amountText(-sum(units.filter((each) => each < 0n))),
  };
}

async function compareTotals(journal: KnownJournal, next: Numbers): Promise<void> {
  const { completeTo } = await bed.pool.read(readProgress);
  for (let count = 0; count < 4; count += 1) {
    const of = { account: pick(accounts, next), currency: pick(currencies, next) };
    const upTo = BigInt(next()) % (completeTo + 1n);
    const total = await bed.pool.read((sql) => readAccountTotal(sql, { ...of, upTo }));
    expect(total).toEqual(plainTotal(journal, of, ({ position }) => position <= upTo));
    const atMs = startMs - 1_000 + (next() % (positionsMax * 100 + 200_000));
    const question = { ...of, upTo: completeTo, at: new Date(atMs) };
    const totalThen = await bed.pool.read((sql) => readAccountTotal(sql, question));
    const isIn = (leg: KnownLeg): boolean => leg.position <= completeTo && leg.occurredAtMs <= atMs;
    expect(totalThen).toEqual(plainTotal(journal, of, isIn));
  }
}

test("totals are the plain sums at any complete position and instant, while events arrive out of order", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (seed) => {
      const next = numbersFrom(seed);
      const journal = makeJournal(next);
      await bed.clear();
      // Within a window everything arrives in any order, some of it twice.
      const arriving = journal.messages
        .flatMap((message) => (next() % 20 === 0 ? [message, message] : [message]))
        .map((message, index) => ({ message, place: index + (next() % 1_500) }))
        .toSorted((left, right) => left.place - right.place)
        .map(({ message }) => message);
      for (let first = 0; first < arriving.length; first += 400) {
        await bed.ingestion.ingest(arriving.slice(first, first + 400));
        await compareTotals(journal, next);
      }
      const { completeTo } = await bed.pool.read(readProgress);
      expect(completeTo).toBe(BigInt(journal.messages.length));
      await expectWhole(completeTo);
      await compareLists(journal, completeTo, next);
      await compareSums(journal, BigInt(next()) % completeTo);
    }),
    { numRuns: 3 },
  );
});

async function expectWhole(to: bigint): Promise<void> {
  for await (const progress of verifyJournal(bed.pool, { from: 1n, to, toEnd: true })) {
    expect(progress.findings).toEqual([]);
  }
  const rows = await bed.owner<{ count: bigint }[]>`select count(*) as count from account_totals`;
  const totals = Math.floor(Number(to) / positionsPerTotal) * accounts.length * currencies.length;
  expect(rows[0]?.count).toBe(BigInt(totals));
}

/** Pages in both directions are the legs of a period in their order. */
async function compareLists(
  { legs }: KnownJournal,
  completeTo: bigint,
  next: Numbers,
): Promise<void> {
  for (const order of ["ascending", "descending"] as const) {
    const account = pick(accounts, next);
    const currency = pick(["", ...currencies], next) || undefined;
    const fromMs = startMs + (next() % (positionsMax * 100));
    const toMs = fromMs + (next() % 200_000);
    const [from, to] = [new Date(fromMs), new Date(toMs)];
    const filter = { account, currency, completeTo, from, to };
    const listed: string[] = [];
    let behind: { position: bigint; legIndex: bigint } | undefined;
    do {
      const page = { order, behind, limit: 100 };
      const entries = await bed.pool.read((sql) => listAccountEntries(sql, filter, page));
      listed.push(...entries.map((entry) => `${entry.position} ${entry.legIndex} ${entry.amount}`));
      const last = entries.length < page.limit ? undefined : entries.at(-1);
      behind = last && { position: last.position, legIndex: BigInt(last.legIndex) };
    } while (behind !== undefined);
    const expected = legs
      .filter((leg) => leg.account === account && leg.occurredAtMs >= fromMs)
      .filter((leg) => leg.occurredAtMs < toMs && leg.currency === (currency ?? leg.currency))
      .map((leg) => `${leg.position} ${leg.legIndex} ${amountText(leg.units)}`);
    expect(listed).toEqual(order === "ascending" ? expected : expected.toReversed());
  }
}

async function compareSums({ legs }: KnownJournal, upTo: bigint): Promise<void> {
  const sums = await bed.pool.read((sql) => listCurrencyTotals(sql, upTo));
  const expected = currencies.map((currency) => {
    const units = legs
      .filter((leg) => leg.currency === currency && leg.position <= upTo)
      .reduce((sum, leg) => sum + leg.units, 0n);
    return { currency, units };
  });
  expect(new Set(sums)).toEqual(new Set(expected));
}
