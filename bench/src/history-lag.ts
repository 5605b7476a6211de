import { randomUUID } from "node:crypto";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { HistoryService } from "@pelikuni/gen/history/v1/history_service_pb";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import type { ResourceStack } from "@pelikuni/runtime/resource-stack";
import { createGrpcTransport } from "@pelikuni/runtime/rpc-transport";
import { kafkaEnvironment } from "./bench-kafka.ts";
import { transferredAmount } from "./load.ts";
import { choosePair, type Run, runOf } from "./measurement.ts";
import { runPaced } from "./pacer.ts";
import type { PartOptions } from "./part.ts";
import type { Side } from "./rounds.ts";
import { createServedWallets, type ServedWallets } from "./served-wallets.ts";
import { startHistoryService, startWalletService } from "./server-kinds.ts";

/** How many transfers a second are made while the lag is measured. */
export const pacedPerSecond = 1_000;

/** A wallet-service and the history-service behind it, to be measured in turn with others. */
export interface LagSide extends Side {
  readonly wallets: ServedWallets;
}

const inFlightMax = 5_000;
const warmUpMs = 2_000;
const messageBytesMax = 4_194_304;
const deadlineMs = 20_000;

/**
 * Starts a wallet-service and a history-service, in a process and on a database each; the load and
 * the one who looks at history are in this process.
 *
 * @param brokers where Kafka is, for events to travel over it; over the feed when left out
 * @param resources take what is to be disposed
 */
export async function createLagSide(
  name: string,
  brokers: string[] | undefined,
  { bed, durationMs, signal }: PartOptions,
  resources: ResourceStack,
): Promise<LagSide> {
  const source = brokers === undefined ? "feed" : "kafka";
  const kafka = brokers === undefined ? {} : kafkaEnvironment(brokers, `lag-${randomUUID()}`);
  const walletDatabase = await bed.createWalletDatabase(`bench_lag_${source}`);
  const historyDatabase = await bed.createDatabase(`bench_lag_${source}_history`);
  const wallet = resources.use(await startWalletService(walletDatabase, signal, kafka));
  const history = resources.use(
    await startHistoryService(historyDatabase, signal, {
      APP__HISTORY_SERVICE__SOURCE: source,
      APP__HISTORY_SERVICE__WALLET_SERVICE_ADDRESS: `127.0.0.1:${wallet.grpcPort}`,
      ...kafka,
    }),
  );
  const wallets = resources.use(await createServedWallets(wallet.grpcPort));
  const clients = {
    wallets: createClient(WalletService, openTransport(wallet.grpcPort, resources)),
    history: createClient(HistoryService, openTransport(history.grpcPort, resources)),
    ids: wallets.ids,
  };
  return {
    name,
    wallets,
    run: async () => {
      const warmUp = await runOnce(clients, warmUpMs);
      const run = await runOnce(clients, durationMs);
      wallets.note({ ...run, calls: warmUp.calls + run.calls });
      return run;
    },
  };
}

interface Clients {
  readonly wallets: Client<typeof WalletService>;
  readonly history: Client<typeof HistoryService>;
  readonly ids: readonly string[];
}

/** Makes transfers at the rate, and measures how long history takes to have each. */
async function runOnce(
  { wallets, history, ids }: Clients,
  durationMs: number,
): Promise<Run & { readonly calls: number }> {
  const meter = startLagMeter(history, ids[0] ?? "");
  const transfer = async (): Promise<void> => {
    const [from, to] = choosePair("uniform");
    const { receipt } = await wallets.transfer({
      fromWalletId: ids[from] ?? "",
      toWalletId: ids[to] ?? "",
      amount: transferredAmount,
      requestId: randomUUID(),
    });
    meter.answered(receipt?.position ?? 0n);
  };
  const paced = { perSecond: pacedPerSecond, durationMs, inFlightMax, call: transfer };
  const perSecond = await runPaced(paced);
  return { ...runOf(await meter.end(), durationMs), perSecond };
}

interface LagMeter {
  /** A caller has the answer, with the position of his transfer. */
  answered(position: bigint): void;
  /** Waits until history has all that was answered; the lag of each, milliseconds. */
  end(): Promise<number[]>;
}

/**
 * Looks at history by one reader, who asks for one position more than he has seen: his answer comes
 * when history has moved on, and says how far. Each batch is seen at once, by one small read.
 */
function startLagMeter(history: Client<typeof HistoryService>, walletId: string): LagMeter {
  const answeredMs = new Map<bigint, number>();
  const lagsMs: number[] = [];
  const stop = new AbortController();
  let completeTo = 0n;
  let ending = false;

  function stopWhenDone(): void {
    if (ending && answeredMs.size === 0) stop.abort();
  }

  async function watch(): Promise<void> {
    while (!stop.signal.aborted) {
      const request = { walletId, minPosition: completeTo + 1n };
      const answer = await history.getBalanceAt(request, { signal: stop.signal });
      completeTo = answer.completeTo;
      const nowMs = performance.now();
      for (const [position, atMs] of answeredMs) {
        if (position > completeTo) continue;
        lagsMs.push(nowMs - atMs);
        answeredMs.delete(position);
      }
      stopWhenDone();
    }
  }

  const watching = watch().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  // It is awaited at the end.
  watching.catch(() => undefined);
  return {
    answered(position) {
      // History may have the entries before the caller has read his answer.
      if (position <= completeTo) lagsMs.push(0);
      else answeredMs.set(position, performance.now());
    },
    async end() {
      ending = true;
      stopWhenDone();
      await watching;
      return lagsMs;
    },
  };
}

function openTransport(port: number, resources: ResourceStack): Transport {
  return resources.use(
    createGrpcTransport({
      address: `127.0.0.1:${port}`,
      messageBytesMax,
      deadlineDefaultMs: deadlineMs,
    }),
  );
}
