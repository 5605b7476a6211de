import { setTimeout as delay } from "node:timers/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import {
  BatchTransferResponseSchema,
  ListWalletsRequestSchema,
  WalletService,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { z } from "zod";
import { answerTasks } from "./child-run.ts";
import { type GrpcConnection, openGrpcConnection } from "./grpc-connection.ts";
import { openHttpConnection } from "./http-connection.ts";
import type { Transfer } from "./load.ts";
import { choosePair } from "./measurement.ts";
import { batchBytes, transferBytes, transferRequest } from "./transfer-request.ts";

/** What a process is told that asks for as much as it can get. */
export const floodTaskSchema = z.object({
  request: z.enum(["transfers", "batches", "pages", "REST transfers", "nothing"]),
  port: z.number(),
  token: z.string(),
  walletIds: z.array(z.string()),
  /** Each with one call at a time, which is repeated as soon as it was answered. */
  callers: z.number(),
  durationMs: z.number(),
});

/** What a process is told that asks for as much as it can get. */
export type FloodTask = z.output<typeof floodTaskSchema>;

/** Makes one call; returns how many transfers or reads it came to, 0 when it was refused. */
type Ask = () => Promise<number>;

interface Flood {
  readonly asks: readonly Ask[];
  readonly close: () => void;
}

const grpcConnections = 8;
const batchSize = 1_000;
const pageSize = 1_000;
const computedMs = 1;
const grpcRefusals: ReadonlySet<unknown> = new Set([
  status.RESOURCE_EXHAUSTED,
  status.UNAVAILABLE,
  status.UNAUTHENTICATED,
]);
const restRefusals: ReadonlySet<number> = new Set([401, 429, 503]);
const { transfer, batchTransfer, listWallets } = WalletService.method;

answerTasks(async (message) => {
  const task = floodTaskSchema.parse(message);
  const flood = await startFlood(task);
  const startMs = performance.now();
  let done = 0;
  let refused = 0;
  const work = async (ask: Ask): Promise<void> => {
    while (performance.now() - startMs < task.durationMs) {
      const count = await ask();
      done += count;
      if (count === 0) refused += 1;
    }
  };
  await Promise.all(flood.asks.map(work));
  flood.close();
  const seconds = (performance.now() - startMs) / 1_000;
  return { perSecond: done / seconds, refusedPerSecond: refused / seconds, calls: done };
});

async function startFlood(task: FloodTask): Promise<Flood> {
  if (task.request === "nothing") return { asks: [computeHalfTheTime], close: () => undefined };
  return task.request === "REST transfers" ? await restFlood(task) : grpcFlood(task);
}

/** Takes as much of a processor as the other floods do. */
async function computeHalfTheTime(): Promise<number> {
  const endMs = performance.now() + computedMs;
  while (performance.now() < endMs);
  await delay(computedMs);
  return 0;
}

function grpcFlood({ request, port, token, walletIds, callers }: FloodTask): Flood {
  const connections = Array.from({ length: grpcConnections }, () =>
    openGrpcConnection(port, token),
  );
  const page = toBinary(ListWalletsRequestSchema, create(ListWalletsRequestSchema, { pageSize }));
  const callOf = (connection: GrpcConnection): Ask => {
    switch (request) {
      case "pages":
        return async () => {
          await connection.call(listWallets, Buffer.from(page));
          return 1;
        };
      case "batches":
        return async () => {
          const pairs = Array.from({ length: batchSize }, () => anyPair(walletIds));
          const answer = await connection.call(batchTransfer, batchBytes(pairs));
          const { results } = fromBinary(BatchTransferResponseSchema, answer);
          return results.filter(({ result }) => result.case === "transfer").length;
        };
      default:
        return async () => {
          await connection.call(transfer, transferBytes(anyPair(walletIds)));
          return 1;
        };
    }
  };
  const asks = Array.from({ length: callers }, (_, caller) => {
    const connection = connections[caller % grpcConnections];
    if (connection === undefined) throw new Error("A caller has no connection.");
    return orRefused(callOf(connection));
  });
  return {
    asks,
    close: () => {
      for (const connection of connections) connection.close();
    },
  };
}

function orRefused(ask: Ask): Ask {
  return async () => {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof Error && "code" in error && grpcRefusals.has(error.code)) return 0;
      throw error;
    }
  };
}

async function restFlood({ port, token, walletIds, callers }: FloodTask): Promise<Flood> {
  const connections = await Promise.all(
    Array.from({ length: callers }, () => openHttpConnection(port)),
  );
  const asks = connections.map((connection) => async () => {
    const answer = await connection.ask(transferRequest(anyPair(walletIds), { port, token }));
    if (answer !== 200 && !restRefusals.has(answer)) throw new Error(`The answer is ${answer}.`);
    return answer === 200 ? 1 : 0;
  });
  return {
    asks,
    close: () => {
      for (const connection of connections) connection.close();
    },
  };
}

function anyPair(walletIds: readonly string[]): Transfer {
  const [from, to] = choosePair("uniform");
  return { from: walletIds[from] ?? "", to: walletIds[to] ?? "" };
}
