import { type EmbeddedKafka, startEmbeddedKafka } from "@pelikuni/local/embedded-kafka";
import { createLogger } from "@pelikuni/runtime/logger";
import { expect, test } from "vitest";
import { startHistoryBed } from "../src/history-bed.ts";
import { chooseLastingPort } from "../src/lasting-port.ts";
import { createTestDirectory } from "../src/test-directory.ts";
import { describeWithOwnKafka, singleNodeSettings } from "../src/test-kafka.ts";

const quiet = createLogger("test", { level: "silent", format: "json" });
const timeout = 60_000;

await describeWithOwnKafka("history while Kafka is away", () => {
  test("history waits for a Kafka that is away from the start, and again when it goes away", async () => {
    const port = await chooseLastingPort();
    const directory = await createTestDirectory();
    const kafka = singleNodeSettings([`127.0.0.1:${port}`], "wallet-events");
    const startBroker = (): Promise<EmbeddedKafka> =>
      startEmbeddedKafka({ directory, port, logger: quiet });
    await using bed = await startHistoryBed({ kafka });
    const walletId = (await bed.wallets.createWallet({ userId: "alice" })).wallet?.id ?? "";
    const fund = async (count: number): Promise<bigint> => {
      const fundings = Array.from({ length: count }, () =>
        bed.wallets.fundWallet({ walletId, amount: "1" }),
      );
      await Promise.all(fundings);
      const { wallet } = await bed.wallets.getWallet({ walletId });
      return (wallet?.version ?? 0n) + 1n;
    };
    const completeTo = async (): Promise<bigint> => {
      return (await bed.history.getCompleteness({})).completeTo;
    };
    let last = await fund(100);
    expect(await completeTo()).toBe(0n);
    {
      await using _first = await startBroker();
      await expect.poll(completeTo, { timeout }).toBe(last);
    }
    last = await fund(100);
    expect(await completeTo()).toBeLessThan(last);
    await using _second = await startBroker();
    await expect.poll(completeTo, { timeout }).toBe(last);
    const { valid } = await bed.history.verifyWallet({ walletId });
    expect(valid).toBe(true);
  });
});
