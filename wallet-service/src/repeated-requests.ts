import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { findSegment, type JournalSegment } from "./journal-store.ts";
import { findTakenKeys, type TakenKey } from "./request-key-store.ts";
import { placeOf } from "./transaction-id.ts";
import type { WalletState } from "./wallet.ts";
import { readEvent } from "./wallet-events.ts";
import { findWallets } from "./wallet-store.ts";

/** What an accepted command answers, the first time and every time it is repeated. */
export interface Answer {
  readonly transactionId: string;
  readonly position: bigint;
  readonly occurredAtMs: number;
  /** The wallets right after the transaction, in the order in which its legs name them first. */
  readonly wallets: readonly WalletState[];
}

/** Finds requests that were acted on before, and answers them as the first time. */
export interface RepeatedRequests {
  /** Which of the keys belong to requests that were acted on. */
  find(keys: readonly string[]): Promise<TakenKey[]>;
  /** The answers of transactions, by transaction id. Reads one segment of the journal at a time. */
  answers(transactionIds: readonly string[]): Promise<ReadonlyMap<string, Answer>>;
}

/** Creates the look-up over the journal and the request keys. */
export function createRepeatedRequests(pool: DatabaseClient): RepeatedRequests {
  async function answer(
    { segmentId, index }: { segmentId: string; index: number },
    segment: JournalSegment,
  ): Promise<Answer> {
    const bytes = segment.events[index];
    if (bytes === undefined) throw new Error(`Segment ${segmentId} has no event ${index}.`);
    const event = readEvent(bytes);
    // When a wallet was created is not in the event; it never changes.
    const rows = await pool.read((sql) =>
      findWallets(
        sql,
        event.wallets.map((wallet) => wallet.id),
      ),
    );
    const wallets = event.wallets.map((wallet) => {
      const row = rows.get(wallet.id);
      if (row === undefined) throw new Error(`Wallet ${wallet.id} is in the journal only.`);
      return { ...wallet, createTimeMs: row.createTimeMs };
    });
    const { transactionId, occurredAtMs } = event;
    return {
      transactionId,
      position: segment.firstPosition + BigInt(index),
      occurredAtMs,
      wallets,
    };
  }

  return {
    find: (keys) => pool.read((sql) => findTakenKeys(sql, keys)),
    async answers(transactionIds) {
      const answers = new Map<string, Answer>();
      // Ids of one segment stand together when sorted.
      const sorted = [...new Set(transactionIds)].sort(compareIds);
      let segment: JournalSegment | undefined;
      for (const transactionId of sorted) {
        const place = placeOf(transactionId);
        if (segment?.segmentId !== place.segmentId) {
          segment = await pool.read((sql) => findSegment(sql, place.segmentId));
        }
        if (segment === undefined) throw new Error(`Segment ${place.segmentId} is not there.`);
        answers.set(transactionId, await answer(place, segment));
      }
      return answers;
    },
  };
}

function compareIds(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}
