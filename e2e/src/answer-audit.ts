import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { WalletChange } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { type Wallet, WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import type { JournalEvent } from "./journal-audit.ts";
import { type Acknowledgement, type Attempt, describeOrder, type Order } from "./ledger.ts";
import { amountText, unitsOf } from "./money-units.ts";
import { contentOf, contentOfEvent } from "./order-content.ts";
import type { WalletTrail } from "./trail-audit.ts";

/** What answers are held against. */
export interface AnswerAudit {
  readonly byTransaction: ReadonlyMap<string, JournalEvent>;
  readonly trails: ReadonlyMap<string, WalletTrail>;
  readonly findings: string[];
}

/** Compares every acknowledgement with the event that it names; no two requests name the same. */
export function auditAnswers(attempts: readonly Attempt[], audit: AnswerAudit): void {
  const requestOf = new Map<string, string | Attempt>();
  for (const attempt of attempts) {
    const { order, outcome, startMs } = attempt;
    if (!("acknowledged" in outcome)) continue;
    const answer = outcome.acknowledged;
    const complain = (text: string): void => {
      const place = `position ${answer.position}: transaction ${answer.transactionId}`;
      audit.findings.push(`${place}: ${text} (${describeOrder(order)})`);
    };
    const found = audit.byTransaction.get(answer.transactionId);
    if (found === undefined) {
      complain("acknowledged, not in the journal");
      continue;
    }
    const request = order.requestId === "" ? attempt : order.requestId;
    const earlier = requestOf.get(answer.transactionId) ?? request;
    if (earlier !== request) complain("acknowledged to two requests");
    requestOf.set(answer.transactionId, request);
    compareAnswer(order, answer, found, complain);
    compareWallets(answer.wallets, found, audit.trails, complain);
    if (found.committedAtMs >= startMs) auditExpectation(order, found, complain);
  }
}

type Complain = (text: string) => void;

function compareAnswer(
  order: Order,
  { position, occurredAtMs }: Acknowledgement,
  found: JournalEvent,
  complain: Complain,
): void {
  const { event } = found;
  if (position !== found.position) complain(`stands at position ${found.position}`);
  if (event.requestId !== order.requestId) complain(`the event's request_id is ${event.requestId}`);
  const content = contentOfEvent(event);
  if (content !== contentOf(order)) complain(`the event is ${content}`);
  const eventMs = event.occurredAt ? timestampMs(event.occurredAt) : 0;
  if (eventMs !== occurredAtMs) complain(`occurred_at is ${occurredAtMs}, in the event ${eventMs}`);
}

function compareWallets(
  wallets: readonly Wallet[],
  { event }: JournalEvent,
  trails: ReadonlyMap<string, WalletTrail>,
  complain: Complain,
): void {
  if (wallets.length !== event.changes.length) complain(`answered ${wallets.length} wallets`);
  const updatedMs = event.occurredAt ? timestampMs(event.occurredAt) : 0;
  for (const [index, wallet] of wallets.entries()) {
    const change = event.changes[index];
    const createdMs = trails.get(wallet.id)?.createdAtMs;
    const expected = change && stateText(change, { createdMs, updatedMs });
    const answered = stateText({ ...wallet, walletId: wallet.id }, timesOf(wallet));
    if (answered !== expected) complain(`answered ${answered}, the event makes ${expected}`);
    const available = amountText((unitsOf(wallet.balance) ?? 0n) - (unitsOf(wallet.held) ?? 0n));
    if (wallet.available !== available) complain(`available is ${wallet.available}`);
  }
}

type State = Pick<
  WalletChange,
  "walletId" | "userId" | "currency" | "version" | "balance" | "held" | "status"
>;

interface Times {
  readonly createdMs: number | undefined;
  readonly updatedMs: number | undefined;
}

function stateText(
  { walletId, userId, currency, version, balance, held, status }: State,
  { createdMs, updatedMs }: Times,
): string {
  const money = `${balance} ${currency}, held ${held}`;
  const state = `${WalletStatus[status]} with ${money} of ${userId} at version ${version}`;
  return `wallet ${walletId}: ${state}, made ${createdMs}, changed ${updatedMs}`;
}

function timesOf({ createTime, updateTime }: Wallet): Times {
  return {
    createdMs: createTime && timestampMs(createTime),
    updatedMs: updateTime && timestampMs(updateTime),
  };
}

/** A caller who named a version acted on that version. */
function auditExpectation(order: Order, { event }: JournalEvent, complain: Complain): void {
  if (order.kind !== "transfer" || order.expectedVersion === undefined) return;
  const became = event.changes.find(({ walletId }) => walletId === order.from)?.version;
  if (became === order.expectedVersion + 1n) return;
  complain(`acted on version ${became} although ${order.expectedVersion} was expected before`);
}
