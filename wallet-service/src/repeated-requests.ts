import { DatabaseUnavailable } from "@pelikuni/runtime/database-fault";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import type { Logger } from "pino";
import {
  type Answer,
  type CommandFault,
  type CommandOutcome,
  databaseUnavailable,
  internalFault,
} from "./command-outcome.ts";
import { findSegment, type JournalSegment } from "./journal-store.ts";
import type { RequestKey } from "./request-key.ts";
import { findTakenKeys } from "./request-key-store.ts";
import { placeOf } from "./transaction-id.ts";
import { readEvent } from "./wallet-events.ts";
import { findWallets } from "./wallet-store.ts";

/** A request that waits for its outcome. */
export interface WaitingRequest {
  readonly requestKey?: RequestKey | undefined;
  readonly resolve: (outcome: CommandOutcome) => void;
  readonly reject: (fault: CommandFault) => void;
}

/** Answers requests that were acted on before. */
export interface RepeatedRequests {
  /**
   * Answers those whose key belongs to an earlier request: equal input gets the first answer again,
   * other input is refused. Does not wait for the answers to be read from the journal.
   *
   * @returns the others, which are new
   */
  answer<Waiting extends WaitingRequest>(waiting: readonly Waiting[]): Promise<Waiting[]>;
}

/** The outcome of a request whose key belongs to a request with other input. */
export const requestIdReused: CommandOutcome = { refusal: { reason: "REQUEST_ID_REUSED" } };

interface Repeat {
  readonly waiting: WaitingRequest;
  readonly transactionId: string;
}

/** Creates the look-up over the request keys and the journal. */
export function createRepeatedRequests(pool: DatabaseClient, logger: Logger): RepeatedRequests {
  async function resolveAll(repeats: readonly Repeat[]): Promise<void> {
    try {
      const answers = await readAnswers(repeats.map(({ transactionId }) => transactionId));
      for (const { waiting, transactionId } of repeats) {
        const answer = answers.get(transactionId);
        if (answer) waiting.resolve({ answer });
      }
    } catch (error) {
      const unavailable = error instanceof DatabaseUnavailable;
      if (!unavailable) logger.error({ error }, "A repeated request could not be answered.");
      const fault = unavailable ? databaseUnavailable(error) : internalFault(error);
      for (const { waiting } of repeats) waiting.reject(fault);
    }
  }

  /** Reads one segment of the journal at a time: they are large. */
  async function readAnswers(
    transactionIds: readonly string[],
  ): Promise<ReadonlyMap<string, Answer>> {
    const answers = new Map<string, Answer>();
    let segment: JournalSegment | undefined;
    // Ids of one segment stand together when sorted.
    for (const transactionId of [...new Set(transactionIds)].sort(compareIds)) {
      const { segmentId, index } = placeOf(transactionId);
      if (segment?.segmentId !== segmentId) {
        segment = await pool.read((sql) => findSegment(sql, segmentId));
      }
      answers.set(transactionId, await readAnswer(segment, index, transactionId));
    }
    return answers;
  }

  async function readAnswer(
    segment: JournalSegment | undefined,
    index: number,
    transactionId: string,
  ): Promise<Answer> {
    const bytes = segment?.events[index];
    if (segment === undefined || bytes === undefined) {
      throw new Error(`Transaction ${transactionId} is not in the journal.`);
    }
    const { occurredAtMs, wallets, items } = readEvent(bytes);
    // When a wallet was created is not in the event; it never changes.
    const rows = await pool.read((sql) =>
      findWallets(
        sql,
        wallets.map(({ id }) => id),
      ),
    );
    return {
      transactionId,
      position: segment.firstPosition + BigInt(index),
      occurredAtMs,
      wallets: wallets.map((wallet) => {
        const row = rows.get(wallet.id);
        if (row === undefined) throw new Error(`Wallet ${wallet.id} is in the journal only.`);
        return { ...wallet, createTimeMs: row.createTimeMs };
      }),
      items,
    };
  }

  return {
    async answer(waiting) {
      const keys = waiting.flatMap(({ requestKey }) => (requestKey ? [requestKey.key] : []));
      const found = await pool.read((sql) => findTakenKeys(sql, keys));
      const taken = new Map(found.map((row) => [row.key, row]));
      const repeats: Repeat[] = [];
      const others = waiting.filter((one) => {
        const first = one.requestKey && taken.get(one.requestKey.key);
        if (!one.requestKey || !first) return true;
        const sameInput = Buffer.compare(first.fingerprint, one.requestKey.fingerprint) === 0;
        if (sameInput) repeats.push({ waiting: one, transactionId: first.transactionId });
        else one.resolve(requestIdReused);
        return false;
      });
      void resolveAll(repeats);
      return others;
    },
  };
}

function compareIds(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}
