import { v7 } from "uuid";
import { type Command, fund, transfer, withdraw } from "../../wallet-service/src/decide/command.ts";
import type { WalletEngine } from "../../wallet-service/src/wallet-engine.ts";
import { submitCommand, transferredAmount } from "./engine-load.ts";
import { choosePair, type Run, runCallers, type Workload } from "./measurement.ts";

/** Of a hundred calls. */
export const mix =
  "60 transfers, 10 fundings, 10 holds, 10 captures or releases, 5 withdrawals, 5 reversals";

/** Callers that use every operation on the wallets of a workload. */
export interface MixedLoad {
  run(options: { readonly callers: number; readonly durationMs: number }): Promise<Run>;
}

interface Hold {
  readonly holdId: string;
  readonly payeeId: string;
}

const holdLengthMs = 86_400_000;
// A reversal takes back a transfer of some seconds ago.
const reversibleMax = 10_000;

/** Creates the load. What a run leaves, open holds and transfers, later ones capture and reverse. */
export function createMixedLoad(
  engine: WalletEngine,
  walletIds: readonly string[],
  workload: Workload,
): MixedLoad {
  const openHolds: Hold[] = [];
  const reversible: string[] = [];
  const pair = (): [from: string, to: string] => {
    const [from, to] = choosePair(workload);
    return [walletIds[from] ?? "", walletIds[to] ?? ""];
  };
  const run = async (command: Command): Promise<string> =>
    (await submitCommand(engine, command)).transactionId;

  async function transferOnce(): Promise<void> {
    const transactionId = await run(transfer(...pair(), transferredAmount));
    const place = Math.floor(Math.random() * reversibleMax);
    reversible[Math.min(place, reversible.length)] = transactionId;
  }

  async function holdOnce(): Promise<void> {
    const [walletId, payeeId] = pair();
    const holdId = v7();
    const expireTimeMs = Date.now() + holdLengthMs;
    await run({ kind: "placeHold", holdId, walletId, amount: transferredAmount, expireTimeMs });
    openHolds.push({ holdId, payeeId });
  }

  async function endHoldOnce(): Promise<void> {
    const hold = takeAny(openHolds);
    if (hold === undefined) return await holdOnce();
    await run(Math.random() < 0.5 ? captureOf(hold) : releaseOf(hold));
  }

  async function reverseOnce(): Promise<void> {
    const transactionId = takeAny(reversible);
    if (transactionId === undefined) return await transferOnce();
    await run({ kind: "reverseTransaction", transactionId, legs: [] });
  }

  async function call(): Promise<void> {
    const percent = Math.random() * 100;
    if (percent < 60) await transferOnce();
    else if (percent < 70) await run(fund(pair()[0], transferredAmount));
    else if (percent < 80) await holdOnce();
    else if (percent < 90) await endHoldOnce();
    else if (percent < 95) await run(withdraw(pair()[0], transferredAmount));
    else await reverseOnce();
  }

  return { run: (options) => runCallers({ ...options, call }) };
}

function captureOf({ holdId, payeeId }: Hold): Command {
  const payments = [{ to: { walletId: payeeId }, amount: transferredAmount }];
  return { kind: "captureHold", holdId, payments, keepRemaining: false };
}

function releaseOf({ holdId }: Hold): Command {
  return { kind: "releaseHold", holdId, expired: false };
}

/** Takes one out, whichever. */
function takeAny<Item>(items: Item[]): Item | undefined {
  const index = Math.floor(Math.random() * items.length);
  const last = items.pop();
  if (last === undefined || index === items.length) return last;
  const taken = items[index];
  items[index] = last;
  return taken;
}
