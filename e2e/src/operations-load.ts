import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "@pelikuni/gen/google/rpc/error_details_pb";
import { FreezeScope, type Receipt } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { amountText } from "./money-units.ts";
import { createRandom, type Random } from "./random.ts";
import type { WalletClient } from "./wallet-caller.ts";

/** What to send. */
export interface OperationsLoadOptions {
  /** One for each replica; each attempt goes to one of them at random. */
  readonly clients: readonly WalletClient[];
  readonly callers: number;
  readonly durationMs: number;
  readonly wallets: number;
  readonly seed: number;
}

/** What the callers were answered. */
export interface OperationsOutcome {
  /** What was wrong with answers; empty when all is well. */
  readonly findings: string[];
  /** The transactions that were acknowledged. */
  readonly acknowledged: Set<string>;
  /** How often each operation was answered how: "transfer", or "transfer INSUFFICIENT_BALANCE". */
  readonly counts: Map<string, number>;
}

interface State extends OperationsOutcome {
  readonly options: OperationsLoadOptions;
  readonly wallets: string[];
  readonly holds: string[];
  readonly transactions: string[];
  readonly references: string[];
}

interface Call {
  readonly name: string;
  readonly send: (client: WalletClient, requestId: string) => Promise<Answer>;
  /** Looks at the answer of a call that was accepted. */
  readonly accepted?: (answer: Answer) => void;
}

interface Answer {
  readonly receipt?: Receipt | undefined;
  readonly hold?: { readonly id: string } | undefined;
}

const accounts = ["external", "bank", "fees"];
const faultCodes = new Set([Code.Unavailable, Code.DeadlineExceeded, Code.Canceled, Code.Unknown]);
const attemptsMax = 200;
const pauseMaxMs = 60;
const repeatProbability = 0.05;
const unitsMax = 50_000;
const holdLengthMaxMs = 4_000;
const keptMax = 1_000;
const startUnits = 1_000_000n;

/** Sends every operation at random from all callers at once, each repeated until it is answered. */
export async function runOperations(options: OperationsLoadOptions): Promise<OperationsOutcome> {
  const state: State = {
    options,
    findings: [],
    acknowledged: new Set(),
    counts: new Map(),
    wallets: [],
    holds: [],
    transactions: [],
    references: [],
  };
  const random = createRandom(options.seed);
  for (let index = 0; index < options.wallets; index += 1) await createWallet(state, random);
  const untilMs = performance.now() + options.durationMs;
  const callers = Array.from({ length: options.callers }, async (_, index) => {
    const own = createRandom(options.seed + 1 + index);
    while (performance.now() < untilMs) await own.pick(steps)(state, own);
  });
  await Promise.all(callers);
  return state;
}

type Step = (state: State, random: Random) => Promise<void>;

// What has the share 4 stands in the list four times, and is picked as often.
const steps = (
  [
    [30, transfer],
    [6, fund],
    [8, placeHold],
    [8, endHold],
    [4, withdraw],
    [5, reverse],
    [4, post],
    [2, changeStatus],
    [1, openAndClose],
    [1, update],
  ] satisfies [number, Step][]
).flatMap(([share, step]) => Array.from({ length: share }, () => step));

async function createWallet(state: State, random: Random): Promise<void> {
  const walletId = await create(state, random);
  if (walletId === undefined) return;
  const amount = amountText(startUnits);
  await send(state, random, {
    name: "fund",
    send: (client, requestId) => client.fundWallet({ walletId, amount, requestId }),
  });
  state.wallets.push(walletId);
}

async function create(state: State, random: Random): Promise<string | undefined> {
  let walletId: string | undefined;
  await send(state, random, {
    name: "create",
    send: async (client, requestId) => {
      const answer = await client.createWallet({ userId: "somebody", requestId });
      walletId = answer.wallet?.id;
      return answer;
    },
  });
  return walletId;
}

async function transfer(state: State, random: Random): Promise<void> {
  const { from, to } = pair(state, random);
  const amount = someAmount(random);
  await send(state, random, {
    name: "transfer",
    send: (client, requestId) =>
      client.transfer({ fromWalletId: from, toWalletId: to, amount, requestId }),
    accepted: ({ receipt }) => keep(state.transactions, receipt?.transactionId),
  });
}

/** Some fundings report a payment that another call has reported before, or reports now. */
async function fund(state: State, random: Random): Promise<void> {
  const walletId = random.pick(state.wallets);
  const amount = someAmount(random);
  const source = random.pick(accounts);
  const isReport = random.chance(0.5);
  if (isReport && (state.references.length === 0 || random.chance(0.5))) {
    keep(state.references, randomUUID());
  }
  const details = isReport ? { reference: random.pick(state.references) } : {};
  await send(state, random, {
    name: "fund",
    send: (client, requestId) =>
      client.fundWallet({ walletId, amount, source, details, requestId }),
    accepted: ({ receipt }) => keep(state.transactions, receipt?.transactionId),
  });
}

async function withdraw(state: State, random: Random): Promise<void> {
  const walletId = random.pick(state.wallets);
  const amount = someAmount(random);
  const destination = random.pick(accounts);
  await send(state, random, {
    name: "withdraw",
    send: (client, requestId) => client.withdraw({ walletId, amount, destination, requestId }),
    accepted: ({ receipt }) => keep(state.transactions, receipt?.transactionId),
  });
}

async function placeHold(state: State, random: Random): Promise<void> {
  const walletId = random.pick(state.wallets);
  const amount = someAmount(random);
  const expireTime = timestampFromMs(Date.now() + 500 + random.integer(holdLengthMaxMs));
  await send(state, random, {
    name: "placeHold",
    send: (client, requestId) => client.placeHold({ walletId, amount, expireTime, requestId }),
    accepted: ({ hold }) => keep(state.holds, hold?.id),
  });
}

/** Several callers meet at the same hold. */
async function endHold(state: State, random: Random): Promise<void> {
  const holdId = state.holds.at(-1 - random.integer(20));
  if (holdId === undefined) return;
  if (random.chance(0.3)) {
    await send(state, random, {
      name: "releaseHold",
      send: (client, requestId) => client.releaseHold({ holdId, requestId }),
    });
    return;
  }
  const to = random.chance(0.7)
    ? ({ case: "walletId", value: random.pick(state.wallets) } as const)
    : ({ case: "account", value: "bank" } as const);
  const payments = [{ to: { side: to }, amount: someAmount(random) }];
  const keepRemaining = random.chance(0.4);
  await send(state, random, {
    name: "captureHold",
    send: (client, requestId) => client.captureHold({ holdId, payments, keepRemaining, requestId }),
    accepted: ({ receipt }) => keep(state.transactions, receipt?.transactionId),
  });
}

async function reverse(state: State, random: Random): Promise<void> {
  const transactionId = state.transactions.at(-1 - random.integer(50));
  if (transactionId === undefined) return;
  const legs = random.chance(0.5) ? [{ index: 0, amount: someAmount(random) }] : [];
  const shortfallAccount = random.chance(0.3) ? "bank" : "";
  await send(state, random, {
    name: "reverse",
    send: (client, requestId) =>
      client.reverseTransaction({ transactionId, legs, shortfallAccount, requestId }),
    accepted: ({ receipt }) => keep(state.transactions, receipt?.transactionId),
  });
}

/** A split with a fee; the payer may be the receiver of another leg. */
async function post(state: State, random: Random): Promise<void> {
  const side = (): { side: { case: "walletId"; value: string } } => {
    return { side: { case: "walletId", value: random.pick(state.wallets) } };
  };
  const from = side();
  const legs = [
    { from, to: side(), amount: someAmount(random) },
    { from, to: side(), amount: someAmount(random) },
    { from, to: { side: { case: "account", value: "fees" } as const }, amount: "0.0100" },
  ];
  await send(state, random, {
    name: "post",
    send: (client, requestId) => client.postTransaction({ legs, requestId }),
    accepted: ({ receipt }) => keep(state.transactions, receipt?.transactionId),
  });
}

/** Freezes for a moment only, so that the others get on. */
async function changeStatus(state: State, random: Random): Promise<void> {
  const walletId = random.pick(state.wallets);
  const scope = random.pick([FreezeScope.ALL, FreezeScope.OUTGOING]);
  await send(state, random, {
    name: "freeze",
    send: (client, requestId) => client.freezeWallet({ walletId, scope, requestId }),
  });
  await send(state, random, {
    name: "unfreeze",
    send: (client, requestId) => client.unfreezeWallet({ walletId, requestId }),
  });
}

async function openAndClose(state: State, random: Random): Promise<void> {
  const walletId = await create(state, random);
  if (walletId === undefined) return;
  const amount = someAmount(random);
  await send(state, random, {
    name: "fund",
    send: (client, requestId) => client.fundWallet({ walletId, amount, requestId }),
  });
  const sweepTo = { side: { case: "walletId", value: random.pick(state.wallets) } as const };
  await send(state, random, {
    name: "close",
    send: (client, requestId) => client.closeWallet({ walletId, sweepTo, requestId }),
  });
}

async function update(state: State, random: Random): Promise<void> {
  const walletId = random.pick(state.wallets);
  const settings = { metadata: { colour: String(random.integer(10)) } };
  const updateMask = { paths: ["metadata"] };
  await send(state, random, {
    name: "update",
    send: (client, requestId) => client.updateWallet({ walletId, settings, updateMask, requestId }),
  });
}

/** Calls until there is an answer; some calls are then repeated, and must be answered the same. */
async function send(state: State, random: Random, call: Call): Promise<void> {
  const { findings, options } = state;
  const requestId = randomUUID();
  const attempt = async (): Promise<Answer | string> => {
    for (let count = 1; count <= attemptsMax; count += 1) {
      try {
        return await call.send(random.pick(options.clients), requestId);
      } catch (error) {
        const failure = ConnectError.from(error);
        if (!faultCodes.has(failure.code)) return reasonOf(failure);
        await pause(random.integer(pauseMaxMs));
      }
    }
    return "no answer";
  };
  const answer = await attempt();
  const name = typeof answer === "string" ? `${call.name} ${answer}` : call.name;
  state.counts.set(name, (state.counts.get(name) ?? 0) + 1);
  if (typeof answer === "string") {
    if (!/^[A-Z_]+$/.test(answer)) findings.push(`${call.name} was answered ${answer}`);
    return;
  }
  state.acknowledged.add(answer.receipt?.transactionId ?? "");
  call.accepted?.(answer);
  if (!random.chance(repeatProbability)) return;
  const again = await attempt();
  if (!isDeepStrictEqual(again, answer)) {
    findings.push(`${call.name} ${requestId}: the repeat was answered otherwise`);
  }
}

/** Of an error that is no refusal of the domain, everything that it says. */
function reasonOf(failure: ConnectError): string {
  const reason = failure.findDetails(ErrorInfoSchema)[0]?.reason;
  return reason === undefined || reason === "INTERNAL" ? failure.message : reason;
}

function keep(list: string[], item: string | undefined): void {
  if (item === undefined) return;
  list.push(item);
  if (list.length > keptMax) list.shift();
}

function pair({ wallets }: State, random: Random): { from: string; to: string } {
  const from = random.pick(wallets);
  return { from, to: random.pick(wallets.filter((walletId) => walletId !== from)) };
}

function someAmount(random: Random): string {
  return amountText(BigInt(1 + random.integer(unitsMax)));
}
