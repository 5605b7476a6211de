import type { UsedKafka } from "@pelikuni/runtime/kafka";
import { v7 } from "uuid";
import { expect } from "vitest";
import type { ReadMessage } from "../../e2e/src/topic-reader.ts";
import { fund, transfer } from "../src/decide/command.ts";
import { type JournalRelay, startJournalRelay } from "../src/journal-relay.ts";
import { splitEvents } from "../src/journal-store.ts";
import type { WalletEngine } from "../src/wallet-engine.ts";
import { accepted, amountOf, type EngineBed, quiet } from "./test-engine.ts";

/** Starts the relay of a replica. */
export function startRelay(engine: WalletEngine, kafka: UsedKafka): JournalRelay {
  return startJournalRelay({ ...engine, kafka, logger: quiet });
}

/** Creates this many wallets with money in them, and gives their ids. */
export async function createWallets(engine: WalletEngine, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => v7());
  await Promise.all(
    ids.map(async (walletId, index) => {
      const userId = `user-${index}`;
      await accepted(engine, { kind: "createWallet", walletId, userId, currency: "USD" });
      await accepted(engine, fund(walletId, amountOf("1000")));
    }),
  );
  return ids;
}

/** Moves money around this many times, at once. */
export async function transferAround(
  engine: WalletEngine,
  wallets: readonly string[],
  count: number,
): Promise<void> {
  const walletAt = (index: number): string => wallets[index % wallets.length] ?? "";
  await Promise.all(
    Array.from({ length: count }, (_, index) =>
      accepted(engine, transfer(walletAt(index), walletAt(index + 1), amountOf("0.01"))),
    ),
  );
}

/** What stands in the journal at one position. */
export interface RecordedAt {
  readonly bytes: Buffer;
  /** Lower-case hex, where the event is the last one of its segment. */
  readonly journalHash: string | undefined;
}

/** The journal by positions, from the table. */
export async function readJournalTable(bed: EngineBed): Promise<Map<string, RecordedAt>> {
  const rows = await bed.owner<{ first_position: bigint; hash: Buffer; events: Buffer }[]>`
    select first_position, hash, events from journal order by first_position`;
  const recorded = rows.flatMap(({ first_position: first, hash, events }) => {
    const split = splitEvents(events);
    return split.map((bytes, index): [string, RecordedAt] => [
      String(first + BigInt(index)),
      {
        bytes: Buffer.from(bytes),
        journalHash: index === split.length - 1 ? hash.toString("hex") : undefined,
      },
    ]);
  });
  return new Map(recorded);
}

/** Waits until the topic has every event of the journal, each with its bytes and hash. */
export async function untilPublished(
  bed: EngineBed,
  messages: readonly ReadMessage[],
): Promise<void> {
  const journal = await readJournalTable(bed);
  const positions = (): number => new Set(messages.map(({ headers }) => headers.position)).size;
  await expect.poll(positions, { timeout: 45_000 }).toBe(journal.size);
  for (const { value, headers } of messages) {
    const recorded = journal.get(headers.position ?? "");
    expect(value).toEqual(recorded?.bytes);
    expect(headers.journal_hash).toBe(recorded?.journalHash);
  }
}

/** The positions of messages by their keys, in the order of the topic. */
export function positionsByKey(messages: readonly ReadMessage[]): Map<string, bigint[]> {
  const byKey = new Map<string, bigint[]>();
  for (const { key, headers } of messages) {
    const positions = byKey.get(key) ?? [];
    positions.push(BigInt(headers.position ?? -1));
    byKey.set(key, positions);
  }
  return byKey;
}
