import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { errorReason } from "@pelikuni/runtime/rpc-errors";
import type { Ledger, Outcome } from "./ledger.ts";
import { createRandom, type Random } from "./random.ts";
import { createWalletCaller, type TransferOrder, type WalletClient } from "./wallet-caller.ts";

/** One call, and what became of it. */
export interface Probe {
  readonly name: string;
  /** On the clock of `performance.now()`. */
  readonly startMs: number;
  readonly endMs: number;
  /** As "code/reason"; undefined after a success. */
  readonly fault: string | undefined;
}

/** Calls of every kind that go on all the time. */
export interface Probing {
  readonly probes: readonly Probe[];
  /** Waits until a call of every kind that was sent from now on has succeeded. */
  untilAllSucceed(): Promise<void>;
  /** Sends no more calls and waits for the answers. */
  stop(): Promise<void>;
}

/** How many kinds of call are probed: every RPC, and Transfer with and without request_id. */
export const kindsOfCall = 7;

const callersPerKind = 3;
const pauseMs = 20;
const pollMs = 20;
const units = 1n;
const seed = 1;

/** Makes calls of every kind on all replicas until it is stopped; mutations go into the ledger. */
export function startProbing(
  clients: readonly WalletClient[],
  ledger: Ledger,
  wallets: readonly string[],
): Probing {
  const probes: Probe[] = [];
  const random = createRandom(seed);
  const calls = createCalls(clients, ledger, wallets, random);
  let stopped = false;

  async function keepCalling(name: string, call: Call): Promise<void> {
    while (!stopped) {
      const startMs = performance.now();
      const fault = await call(random.integer(clients.length));
      probes.push({ name, startMs, endMs: performance.now(), fault });
      await pause(pauseMs);
    }
  }

  const callers = Object.entries(calls).flatMap(([name, call]) =>
    Array.from({ length: callersPerKind }, () => keepCalling(name, call)),
  );
  return {
    probes,
    async untilAllSucceed() {
      const sinceMs = performance.now();
      const succeeded = (): number =>
        new Set(probes.filter((it) => it.startMs > sinceMs && !it.fault).map(({ name }) => name))
          .size;
      while (succeeded() < kindsOfCall) await pause(pollMs);
    },
    async stop() {
      stopped = true;
      await Promise.all(callers);
    },
  };
}

/** Makes one call on a replica; answers its fault, if any. */
type Call = (replica: number) => Promise<string | undefined>;

function createCalls(
  clients: readonly WalletClient[],
  ledger: Ledger,
  wallets: readonly string[],
  random: Random,
): Record<string, Call> {
  const caller = createWalletCaller(clients, ledger);
  const transfer = (requestId: string): TransferOrder => {
    const from = random.pick(wallets);
    const to = random.pick(wallets.filter((walletId) => walletId !== from));
    return { kind: "transfer", requestId, from, to, units };
  };
  return {
    createWallet: async (replica) =>
      faultIn(
        await caller.attempt({ kind: "create", requestId: randomUUID(), userId: "x" }, replica),
      ),
    fundWallet: async (replica) => {
      const to = random.pick(wallets);
      return faultIn(await caller.attempt({ kind: "fund", requestId: "", to, units }, replica));
    },
    transfer: async (replica) => faultIn(await caller.attempt(transfer(""), replica)),
    transferWithKey: async (replica) =>
      faultIn(await caller.attempt(transfer(randomUUID()), replica)),
    batchTransfer: async (replica) => {
      const orders = [transfer(randomUUID()), transfer("")];
      const outcomes = await caller.attemptBatch(orders, replica);
      return outcomes.map(faultIn).find((fault) => fault !== undefined);
    },
    getWallet: (replica) =>
      faultOf(clients[replica]?.getWallet({ walletId: random.pick(wallets) })),
    listWallets: (replica) => faultOf(clients[replica]?.listWallets({})),
  };
}

function faultIn(outcome: Outcome): string | undefined {
  if ("acknowledged" in outcome) return undefined;
  if ("refused" in outcome) return `refused/${outcome.refused}`;
  return `${outcome.fault.code}/${outcome.fault.reason}`;
}

async function faultOf(call: Promise<unknown> | undefined): Promise<string | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    return `${Code[error.code]}/${errorReason(error) ?? ""}`;
  }
}
