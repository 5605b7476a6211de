import type { MessageInitShape } from "@bufbuild/protobuf";
import type { GetTransactionResponseSchema } from "@pelikuni/gen/history/v1/history_service_pb";
import type { WalletEvent } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { findReversals, findTransaction, type StoredEvent } from "./event-reads.ts";
import { recomputeEvent } from "./event-verification.ts";
import { refusalError } from "./history-errors.ts";
import { eventMessage, transactionMessage } from "./history-messages.ts";
import { type Owner, transactionOfOwner } from "./owner-view.ts";

const reversalsSentMax = 1_000;

/**
 * Reads a transaction with what took it back.
 *
 * @param owner who may see his own alone: what touches no wallet of his is not there
 * @returns undefined when it is not there
 * @throws HISTORY_DAMAGED; DatabaseUnavailable
 */
export async function readTransaction(
  pool: DatabaseClient,
  transactionId: string,
  owner: Owner | undefined,
): Promise<MessageInitShape<typeof GetTransactionResponseSchema> | undefined> {
  const userId = owner?.userId;
  const find = async (wanted: string): Promise<StoredEvent | undefined> => {
    const found = await pool.read((sql) => findTransaction(sql, wanted, userId));
    if (found !== undefined) assertIntact(found);
    return found;
  };
  const event = await find(transactionId);
  if (event === undefined) return undefined;
  const limit = reversalsSentMax;
  const reversals = await pool.read((sql) => findReversals(sql, transactionId, { userId, limit }));
  for (const each of reversals) assertIntact(each);
  const whole = transactionMessage(event, reversals);
  if (owner === undefined) return whole;
  const reversedId = reversedBy(whole.event);
  const reversed = reversedId === undefined ? undefined : await find(reversedId);
  return transactionOfOwner(whole, reversed && eventMessage(reversed), owner);
}

function reversedBy({ kind }: WalletEvent): string | undefined {
  return kind.case === "transactionPosted" ? kind.value.reversal?.transactionId : undefined;
}

function assertIntact(event: StoredEvent): void {
  if (typeof recomputeEvent(event) !== "string") return;
  const { transactionId, position } = event;
  throw refusalError({ reason: "HISTORY_DAMAGED", transactionId, position });
}
