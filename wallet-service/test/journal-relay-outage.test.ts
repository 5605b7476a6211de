import { type EmbeddedKafka, startEmbeddedKafka } from "@pelikuni/local/embedded-kafka";
import { afterEach, beforeEach, expect, test } from "vitest";
import { chooseLastingPort } from "../../e2e/src/lasting-port.ts";
import { createTestDirectory } from "../../e2e/src/test-directory.ts";
import { describeWithOwnKafka, singleNodeSettings } from "../../e2e/src/test-kafka.ts";
import { readTopic } from "../../e2e/src/topic-reader.ts";
import type { WalletEngine } from "../src/wallet-engine.ts";
import { createWallets, startRelay, transferAround, untilPublished } from "./relay-bed.ts";
import { createEngineBed, type EngineBed, quiet } from "./test-engine.ts";

// Each test has a broker of its own, which it stops and starts again.

let bed: EngineBed;
let engine: WalletEngine;
let directory: string;
let port: number;
beforeEach(async () => {
  bed = await createEngineBed();
  engine = bed.replica();
  directory = await createTestDirectory();
  port = await chooseLastingPort();
});
afterEach(async () => {
  await bed[Symbol.asyncDispose]();
});

await describeWithOwnKafka("the journal relay while Kafka is away", () => {
  function startBroker(): Promise<EmbeddedKafka> {
    return startEmbeddedKafka({ directory, port, logger: quiet });
  }

  test("money moves while Kafka is away from the start, and is published once it is there", async () => {
    const settings = singleNodeSettings([`127.0.0.1:${port}`], "wallet-events");
    await using relay = startRelay(engine, settings);
    const wallets = await createWallets(engine, 5);
    await transferAround(engine, wallets, 200);
    expect(await relay.readLag()).toBe(210n);
    await using _broker = await startBroker();
    await expect.poll(() => relay.readLag(), { timeout: 30_000 }).toBe(0n);
    await using reader = await readTopic(settings.brokers, settings.topic);
    await untilPublished(bed, reader.messages);
  });

  test.for(["stopped", "killed"] as const)(
    "publishing resumes by itself after the broker was %s for a while",
    async (how) => {
      const settings = singleNodeSettings([`127.0.0.1:${port}`], "wallet-events");
      await using first = await startBroker();
      await using relay = startRelay(engine, settings);
      const wallets = await createWallets(engine, 5);
      await expect.poll(() => relay.readLag(), { timeout: 30_000 }).toBe(0n);
      const transfers = transferAround(engine, wallets, 2_000);
      if (how === "killed") await first.kill();
      await first[Symbol.asyncDispose]();
      await transfers;
      await transferAround(engine, wallets, 100);
      expect(await relay.readLag()).toBeGreaterThanOrEqual(100n);
      await using _again = await startBroker();
      await expect.poll(() => relay.readLag(), { timeout: 30_000 }).toBe(0n);
      await using reader = await readTopic(settings.brokers, settings.topic);
      await untilPublished(bed, reader.messages);
    },
  );
});
