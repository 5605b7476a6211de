import type { PartOptions } from "./part.ts";
import type { PartResult } from "./report.ts";
import { measureServed } from "./served-part.ts";
import { createServedWallets } from "./served-wallets.ts";
import { startEmptyServer, startNpmStart, startTwoServices } from "./server-kinds.ts";

const connections = 64;

/** Measures transfers over REST, in one process and in three, beside a route without work. */
export async function measureRest(options: PartOptions): Promise<PartResult> {
  options.progress("rest: starting npm start, both services and an empty route");
  const { signal } = options;
  const database = await options.bed.createWalletDatabase("bench_rest");
  await using empty = await startEmptyServer("empty-rest-server.ts", "sources", signal);
  await using one = await startNpmStart(signal);
  await using three = await startTwoServices(database, signal);
  await using walletsOfOne = await createServedWallets(one.grpcPort);
  await using walletsOfThree = await createServedWallets(three.grpcPort);
  return await measureServed(
    {
      part: "rest",
      loadFile: "rest-load.ts",
      callers: connections,
      empty: { name: "the empty route", port: empty.port },
      targets: [
        { name: "npm start", port: one.restPort, wallets: walletsOfOne },
        { name: "three processes", port: three.restPort, wallets: walletsOfThree },
      ],
      notes: [
        `${connections} connections with one request at a time, an Idempotency-Key on each.`,
        "The empty route has the same server and schema, and answers a constant.",
      ],
    },
    options,
  );
}
