import { copyFile } from "node:fs/promises";
import path from "node:path";
import { type EmbeddedKafka, startEmbeddedKafka } from "@pelikuni/local/embedded-kafka";
import type { UsedKafka } from "@pelikuni/runtime/kafka";
import { createLogger, type Logger } from "@pelikuni/runtime/logger";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type HistoryBed, startHistoryBed } from "../src/history-bed.ts";
import { chooseLastingPort } from "../src/lasting-port.ts";
import {
  createCertificate,
  saslSslListener,
  setScramPassword,
  type TestCertificate,
} from "../src/secure-kafka.ts";
import { createTestDirectory } from "../src/test-directory.ts";
import { describeWithOwnKafka, singleNodeSettings } from "../src/test-kafka.ts";

const quiet = createLogger("test", { level: "silent", format: "json" });
const timeout = 40_000;
const user = { username: "pelikuni", password: "right-password" };
const wrongPassword = "wrong-password";

await describeWithOwnKafka("Kafka that asks for TLS and a password", () => {
  let directory: string;
  let broker: EmbeddedKafka;
  let port: number;
  let known: TestCertificate;
  let unknown: TestCertificate;
  let topics = 0;
  beforeAll(async () => {
    directory = await createTestDirectory();
    known = await createCertificate(directory, "known");
    unknown = await createCertificate(directory, "unknown");
    port = await chooseLastingPort();
    const listener = saslSslListener(port, known, user);
    broker = await startEmbeddedKafka({ directory, listener, logger: quiet });
  });
  afterAll(async () => {
    await broker[Symbol.asyncDispose]();
  });

  function settings(
    sasl: NonNullable<UsedKafka["sasl"]>,
    { certificateFile }: Pick<TestCertificate, "certificateFile">,
  ): UsedKafka {
    topics += 1;
    const tls = { enabled: true, ca_file: certificateFile };
    return singleNodeSettings([`127.0.0.1:${port}`], `events-${topics}`, { tls, sasl });
  }

  function setPassword(sasl: NonNullable<UsedKafka["sasl"]>): Promise<void> {
    return setScramPassword(broker.brokers.join(), sasl, quiet);
  }

  /** Makes three events, and gives the position of the last one. */
  async function makeEvents({ wallets }: HistoryBed): Promise<bigint> {
    const walletId = (await wallets.createWallet({ userId: "alice" })).wallet?.id ?? "";
    await wallets.fundWallet({ walletId, amount: "1" });
    return (await wallets.fundWallet({ walletId, amount: "1" })).receipt?.position ?? -1n;
  }

  async function completeTo({ history }: HistoryBed): Promise<bigint> {
    return (await history.getCompleteness({})).completeTo;
  }

  /** A log of warnings and worse, one text a line. */
  function createLog(): { readonly lines: string[]; readonly logger: Logger } {
    const lines: string[] = [];
    const sink = { write: (line: string) => void lines.push(line) };
    return { lines, logger: createLogger("test", { level: "warn", format: "json" }, sink) };
  }

  /** Waits until the relay has failed so, twice at least, and the history-service once. */
  async function untilTold(lines: readonly string[], reason: RegExp): Promise<void> {
    const told = (sentence: string) => (): number =>
      lines.filter((line) => line.includes(sentence) && reason.test(line)).length;
    const twice = told("Publishing the journal was interrupted");
    await expect.poll(twice, { timeout }).toBeGreaterThanOrEqual(2);
    await expect.poll(told("The source of events broke off"), { timeout }).toBe(1);
  }

  test.for(["plain", "scram-sha-256", "scram-sha-512"] as const)(
    "events reach history through a broker that asks for TLS and %s",
    async (mechanism) => {
      const sasl = { mechanism, ...user };
      if (mechanism !== "plain") await setPassword(sasl);
      await using bed = await startHistoryBed({ kafka: settings(sasl, known) });
      const position = await makeEvents(bed);
      await expect.poll(() => completeTo(bed), { timeout }).toBe(position);
    },
  );

  test("a wrong password is told without it; once it is right, both services go on by themselves", async () => {
    const mechanism = "scram-sha-512";
    const sasl = { mechanism, username: "late", password: wrongPassword } as const;
    await setPassword({ ...sasl, password: "another-one" });
    const { lines, logger } = createLog();
    await using bed = await startHistoryBed({ kafka: settings(sasl, known), logger });
    const position = await makeEvents(bed);
    await untilTold(lines, /SASL SCRAM SHA512 authentication failed/);
    expect(lines.join("")).not.toContain(wrongPassword);
    expect(await completeTo(bed)).toBe(0n);
    await setPassword(sasl);
    await expect.poll(() => completeTo(bed), { timeout }).toBe(position);
  });

  test("a wrong password of PLAIN is told without it", async () => {
    const sasl = { mechanism: "plain", ...user, password: wrongPassword } as const;
    const { lines, logger } = createLog();
    await using _bed = await startHistoryBed({ kafka: settings(sasl, known), logger });
    await untilTold(lines, /SASL PLAIN authentication failed/);
    expect(lines.join("")).not.toContain(wrongPassword);
  });

  test("a broker whose certificate nobody known has signed is told, and no password is sent", async () => {
    const sasl = { mechanism: "plain", ...user } as const;
    const { lines, logger } = createLog();
    await using bed = await startHistoryBed({ kafka: settings(sasl, unknown), logger });
    await makeEvents(bed);
    await untilTold(lines, /self-signed certificate/);
    expect(lines.join("")).not.toContain(user.password);
    expect(await completeTo(bed)).toBe(0n);
  });

  test("once the file names the broker's authority, both services go on without a restart", async () => {
    const sasl = { mechanism: "plain", ...user } as const;
    const certificateFile = path.join(directory, "authorities.pem");
    await copyFile(unknown.certificateFile, certificateFile);
    const { lines, logger } = createLog();
    await using bed = await startHistoryBed({
      kafka: settings(sasl, { certificateFile }),
      logger,
    });
    const position = await makeEvents(bed);
    await untilTold(lines, /self-signed certificate/);
    await copyFile(known.certificateFile, certificateFile);
    await expect.poll(() => completeTo(bed), { timeout }).toBe(position);
  });
});
