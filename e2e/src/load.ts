import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Order, Outcome } from "./ledger.ts";
import { createRandom, type Random } from "./random.ts";
import type { TransferOrder, WalletCaller } from "./wallet-caller.ts";

/** What to send. */
export interface LoadOptions {
  readonly caller: WalletCaller;
  /** How many replicas there are; each attempt goes to one of them at random. */
  readonly replicas: number;
  /** How many callers call at once, each waiting for his own answers. */
  readonly callers: number;
  readonly durationMs: number;
  /** How many wallets all callers share; 2 make one hot pair. */
  readonly sharedWallets: number;
  /** Decides what is called; the interleaving is the machine's. */
  readonly seed: number;
  /** Whether faults are expected: callers then repeat with the same request_id elsewhere. */
  readonly repeats: boolean;
}

/** What one caller works with. */
interface CallerState {
  readonly random: Random;
  readonly shared: readonly string[];
  /** All the money that passes between his two own wallets, which nobody else touches. */
  readonly purse: { full: string; empty: string };
  /** The version of a wallet as this caller was told last. */
  readonly versions: Map<string, bigint>;
  /** Orders with a request_id that were answered. */
  readonly answered: TransferOrder[];
}

const sharedFundUnits = 1_000_000n;
const purseUnits = 123_456n;
const transferUnitsMax = 600_000;
const fundUnitsMax = 10_000;
const unitsThatNobodyHas = 9_000_000_000_000n;
const repetitionsMax = 200;
const repetitionPauseMaxMs = 60;
const batchLengthMax = 6;
const answeredKeptMax = 50;
const giveUpProbability = 0.1;
const hurryMaxMs = 40;

/** Makes wallets with money, then calls from all callers at once until the time is over. */
export async function runLoad(options: LoadOptions): Promise<void> {
  const setUp = createOrders(options, createRandom(options.seed));
  const shared = await Promise.all(
    Array.from({ length: options.sharedWallets }, () => setUp.wallet(sharedFundUnits)),
  );
  const callers = Array.from({ length: options.callers }, async (_, index) => {
    const random = createRandom(options.seed + 1 + index);
    const orders = createOrders(options, random);
    const purse = { full: await orders.wallet(purseUnits), empty: await orders.wallet(0n) };
    return { orders, state: { random, shared, purse, versions: new Map(), answered: [] } };
  });
  const ready = await Promise.all(callers);
  const untilMs = performance.now() + options.durationMs;
  await Promise.all(ready.map(({ orders, state }) => keepCalling(orders, state, untilMs)));
}

async function keepCalling(orders: Orders, state: CallerState, untilMs: number): Promise<void> {
  while (performance.now() < untilMs) {
    await state.random.pick(steps)(orders, state);
  }
}

type Step = (orders: Orders, state: CallerState) => Promise<void>;

// What has the share 4 stands in the list four times, and is picked as often.
const steps = (
  [
    [18, transferShared],
    [8, moveAllMoney],
    [4, readWallet],
    [4, transferBatch],
    [1, sendTwice],
    [1, repeatAnswered],
    [1, reuseRequestId],
    [1, askForTheImpossible],
    [1, callInAHurry],
    [1, fundOrCreate],
  ] satisfies [number, Step][]
).flatMap(([share, step]) => Array.from({ length: share }, () => step));

async function transferShared(orders: Orders, state: CallerState): Promise<void> {
  const order = sharedTransfer(state);
  const outcome = await orders.execute(order, { mayGiveUp: true });
  remember(state, order, outcome);
}

/** Refusing this is never right: the wallet has exactly this money at every moment of the call. */
async function moveAllMoney(orders: Orders, state: CallerState): Promise<void> {
  const { full, empty } = state.purse;
  const order: Order = {
    kind: "transfer",
    requestId: randomUUID(),
    from: full,
    to: empty,
    units: purseUnits,
  };
  const outcome = await orders.execute(order, { mayGiveUp: false });
  if ("acknowledged" in outcome) Object.assign(state.purse, { full: empty, empty: full });
}

async function readWallet(orders: Orders, { random, shared, purse }: CallerState): Promise<void> {
  await orders.read(random.pick([random.pick(shared), purse.full]));
}

async function transferBatch(orders: Orders, state: CallerState): Promise<void> {
  const length = 2 + state.random.integer(batchLengthMax - 1);
  const batch = Array.from({ length }, () => sharedTransfer(state));
  await orders.executeBatch(batch);
}

/** The same call at once on two replicas: it acts once, and both hear the same. */
async function sendTwice(orders: Orders, state: CallerState): Promise<void> {
  const order = { ...sharedTransfer(state), requestId: randomUUID() };
  await Promise.all([1, 2].map(() => orders.execute(order, { mayGiveUp: false })));
}

async function repeatAnswered(orders: Orders, { random, answered }: CallerState): Promise<void> {
  if (answered.length === 0) return;
  await orders.execute(random.pick(answered), { mayGiveUp: false });
}

async function reuseRequestId(orders: Orders, { random, answered }: CallerState): Promise<void> {
  if (answered.length === 0) return;
  const { expectedVersion: _, ...order } = random.pick(answered);
  const outcome = await orders.execute(order, { mayGiveUp: false });
  // Only a committed change uses up its request_id.
  if (!("acknowledged" in outcome)) return;
  const other: Order = { ...order, units: order.units + 1n, reusesRequestId: true };
  await orders.execute(other, { mayGiveUp: false });
}

async function askForTheImpossible(orders: Orders, state: CallerState): Promise<void> {
  const order = sharedTransfer(state);
  const nowhere = randomUUID();
  const impossible: Order = state.random.pick<Order>([
    { ...order, units: unitsThatNobodyHas },
    { ...order, from: nowhere },
    { ...order, to: nowhere },
    { kind: "fund", requestId: order.requestId, to: nowhere, units: 1n },
  ]);
  await orders.execute(impossible, { mayGiveUp: true });
}

/** A deadline that is hard to meet: what it leaves open, the repetition finds out. */
async function callInAHurry(orders: Orders, state: CallerState): Promise<void> {
  const order = { ...sharedTransfer(state), requestId: randomUUID() };
  const timeoutMs = 1 + state.random.integer(hurryMaxMs);
  await orders.execute(order, { mayGiveUp: false, timeoutMs });
}

async function fundOrCreate(orders: Orders, { random, shared }: CallerState): Promise<void> {
  const requestId = random.chance(0.7) ? randomUUID() : "";
  const order: Order = random.chance(0.5)
    ? { kind: "create", requestId, userId: `user ${random.integer(100)}` }
    : {
        kind: "fund",
        requestId,
        to: random.pick(shared),
        units: BigInt(1 + random.integer(fundUnitsMax)),
      };
  await orders.execute(order, { mayGiveUp: true });
}

function sharedTransfer({ random, shared, versions }: CallerState): TransferOrder {
  const from = random.pick(shared);
  const version = random.chance(0.1) ? versions.get(from) : undefined;
  return {
    kind: "transfer",
    requestId: random.chance(0.8) ? randomUUID() : "",
    from,
    to: random.pick(shared.filter((walletId) => walletId !== from)),
    units: BigInt(1 + random.integer(transferUnitsMax)),
    ...(version === undefined ? {} : { expectedVersion: version }),
  };
}

function remember(state: CallerState, order: TransferOrder, outcome: Outcome): void {
  if ("acknowledged" in outcome) {
    for (const { id, version } of outcome.acknowledged.wallets) state.versions.set(id, version);
  }
  if (order.requestId === "" || "fault" in outcome) return;
  state.answered.push(order);
  if (state.answered.length > answeredKeptMax) state.answered.shift();
}

/** How a caller bears with faults. */
interface Patience {
  /** Whether he may leave an order open instead of repeating it. */
  readonly mayGiveUp: boolean;
  /** A deadline for the first attempt alone. */
  readonly timeoutMs?: number;
}

/** Carries orders to their end, as a careful caller does. */
interface Orders {
  /** Repeats on faults, elsewhere. */
  execute(order: Order, patience: Patience): Promise<Outcome>;
  executeBatch(orders: readonly TransferOrder[]): Promise<void>;
  read(walletId: string): Promise<void>;
  /** Creates a wallet with so much money. */
  wallet(units: bigint): Promise<string>;
}

function createOrders({ caller, replicas, repeats }: LoadOptions, random: Random): Orders {
  async function execute(order: Order, patience: Patience): Promise<Outcome> {
    const replica = random.integer(replicas);
    const first = await caller.attempt(order, replica, patience.timeoutMs);
    return await persist(order, replica, first, patience);
  }

  /** What follows after a first attempt. */
  async function persist(
    order: Order,
    firstReplica: number,
    first: Outcome,
    { mayGiveUp, timeoutMs }: Patience,
  ): Promise<Outcome> {
    let replica = firstReplica;
    let outcome = first;
    for (let count = 1; count <= repetitionsMax && "fault" in outcome; count += 1) {
      if (!(repeats || timeoutMs) || order.requestId === "") return outcome;
      if (mayGiveUp && random.chance(giveUpProbability)) return outcome;
      await pause(random.integer(repetitionPauseMaxMs));
      if (replicas > 1) replica = (replica + 1 + random.integer(replicas - 1)) % replicas;
      outcome = await caller.attempt(order, replica);
    }
    return outcome;
  }

  return {
    execute,
    async executeBatch(orders) {
      const replica = random.integer(replicas);
      const outcomes = await caller.attemptBatch(orders, replica);
      const pairs = orders.map((order, index) => ({ order, outcome: outcomes[index] }));
      for (const { order, outcome } of pairs) {
        if (outcome) await persist(order, replica, outcome, { mayGiveUp: true });
      }
    },
    read: (walletId) => caller.read(walletId, random.integer(replicas)),
    async wallet(units) {
      const creation: Order = { kind: "create", requestId: randomUUID(), userId: "somebody" };
      const walletId = firstWalletOf(await execute(creation, { mayGiveUp: false }));
      if (units === 0n) return walletId;
      const funding: Order = { kind: "fund", requestId: randomUUID(), to: walletId, units };
      return firstWalletOf(await execute(funding, { mayGiveUp: false }));
    },
  };
}

function firstWalletOf(outcome: Outcome): string {
  const wallet = "acknowledged" in outcome ? outcome.acknowledged.wallets[0] : undefined;
  if (wallet === undefined) throw new Error(`No wallet: ${JSON.stringify(outcome)}`);
  return wallet.id;
}
