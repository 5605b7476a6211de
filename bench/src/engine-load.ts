import { randomUUID } from "node:crypto";
import { v7 } from "uuid";
import type { Answer } from "../../wallet-service/src/command-outcome.ts";
import { type Command, fund, transfer } from "../../wallet-service/src/decide/command.ts";
import { parseAmount } from "../../wallet-service/src/money.ts";
import { requestKey } from "../../wallet-service/src/request-key.ts";
import type { WalletEngine } from "../../wallet-service/src/wallet-engine.ts";
import { choosePair, type Run, runCallers, type Workload, walletCount } from "./measurement.ts";

type Amount = NonNullable<ReturnType<typeof parseAmount>>;

const fundedAmount = amountOf("1000000");
const fillCallers = 512;
const fillMs = 500;

/** How much every call moves. */
export const transferredAmount = amountOf("0.01");

/** Creates and funds the wallets of the benchmark; returns their ids. */
export async function createWallets(engine: WalletEngine): Promise<string[]> {
  const ids = Array.from({ length: walletCount }, () => v7());
  await Promise.all(
    ids.map(async (walletId) => {
      await submitCommand(engine, {
        kind: "createWallet",
        walletId,
        userId: "bench",
        currency: "USD",
      });
      await submitCommand(engine, fund(walletId, fundedAmount));
    }),
  );
  return ids;
}

/** Fills a new journal by wallets and transfers; returns how many events it holds then. */
export async function fillJournal(engine: WalletEngine, eventsMin: number): Promise<number> {
  const walletIds = await createWallets(engine);
  const load = { callers: fillCallers, durationMs: fillMs, workload: "uniform" } as const;
  let events = 2 * walletIds.length;
  while (events < eventsMin) events += (await runEngine(engine, walletIds, load)).calls ?? 0;
  return events;
}

/** Keeps callers busy with transfers, each with a request_id of its own. */
export async function runEngine(
  engine: WalletEngine,
  walletIds: readonly string[],
  options: { callers: number; durationMs: number; workload: Workload },
): Promise<Run> {
  const idOf = (index: number): string => walletIds[index] ?? "";
  return await runCallers({
    ...options,
    call: async () => {
      const [from, to] = choosePair(options.workload);
      await submitCommand(engine, transfer(idOf(from), idOf(to), transferredAmount));
    },
  });
}

/**
 * Submits one command as the RPC layer does it: its key is made of what the caller sent.
 *
 * @throws Error when it is refused
 */
export async function submitCommand(engine: WalletEngine, command: Command): Promise<Answer> {
  const requestId = randomUUID();
  const request = { command, requestId, requestKey: requestKey("", requestId, command) };
  const [outcome] = await Promise.all(engine.groupCommit.submit([request], Infinity));
  if (outcome === undefined || "refusal" in outcome) {
    throw new Error(`A ${command.kind} was refused: ${outcome?.refusal.reason}`);
  }
  return outcome.answer;
}

function amountOf(text: string): Amount {
  const amount = parseAmount(text);
  if (amount === undefined) throw new Error(`${text} is no amount.`);
  return amount;
}
