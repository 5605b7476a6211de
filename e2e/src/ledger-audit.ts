import { HoldStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { auditAnswers } from "./answer-audit.ts";
import { holdOf } from "./hold-audit.ts";
import type { Audit, JournalEvent } from "./journal-audit.ts";
import { type Attempt, describeOrder, type Ledger, type Order } from "./ledger.ts";
import { contentOf, contentOfEvent } from "./order-content.ts";
import { auditReadings } from "./reading-audit.ts";
import { auditRefusals } from "./refusal-audit.ts";

/** Faults after which nothing may have been done, as the contract promises. */
const nothingDone = new Set(["DATABASE_UNAVAILABLE", "OVERLOADED"]);

/**
 * Holds what callers were answered against the journal.
 *
 * @param faultsAllowed as "code/reason"; any other fault is a finding
 * @returns one sentence for each thing that is wrong
 */
export function auditLedger(
  audit: Audit,
  ledger: Ledger,
  faultsAllowed: ReadonlySet<string>,
): string[] {
  const findings: string[] = [];
  const byTransaction = new Map(audit.events.map((event) => [event.event.transactionId, event]));
  for (const attempt of ledger.attempts) auditFault(attempt, faultsAllowed, findings);
  auditAnswers(ledger.attempts, { byTransaction, trails: audit.trails, findings });
  const groups = groupByRequest(ledger.attempts);
  for (const attempts of groups.values()) auditRequest(attempts, findings);
  auditCauses(audit.events, groups, findings);
  auditOrderInTime(groups, findings);
  auditOwners(audit.events, groups, findings);
  auditRefusals(ledger.attempts, audit.trails, findings);
  auditReadings(ledger, audit.trails, faultsAllowed, findings);
  return findings;
}

function auditFault(
  { order, replica, timeoutMs, outcome }: Attempt,
  faultsAllowed: ReadonlySet<string>,
  findings: string[],
): void {
  if (!("fault" in outcome)) return;
  const { code, reason, message } = outcome.fault;
  if (faultsAllowed.has(`${code}/${reason}`)) return;
  // Who sets a deadline may miss it.
  if (timeoutMs !== undefined && code === "DeadlineExceeded") return;
  const fault = `${code}/${reason} (${message})`;
  findings.push(`${describeOrder(order)}: replica ${replica} answered ${fault}`);
}

/** The attempts of each request; one without a request_id stands alone. */
function groupByRequest(attempts: readonly Attempt[]): Map<string | Attempt, Attempt[]> {
  const groups = new Map<string | Attempt, Attempt[]>();
  for (const attempt of attempts) {
    const key = attempt.order.requestId === "" ? attempt : attempt.order.requestId;
    const group = groups.get(key);
    if (group) group.push(attempt);
    else groups.set(key, [attempt]);
  }
  return groups;
}

/** One request acts once, and from then on every attempt hears of that one transaction. */
function auditRequest(attempts: readonly Attempt[], findings: string[]): void {
  let first: { transactionId: string; endMs: number } | undefined;
  for (const { outcome, endMs } of attempts) {
    if (!("acknowledged" in outcome)) continue;
    const { transactionId } = outcome.acknowledged;
    if (first === undefined) first = { transactionId, endMs };
    else if (first.transactionId === transactionId) first.endMs = Math.min(first.endMs, endMs);
    else findings.push(`${nameOf(attempts)}: ${transactionId} and ${first.transactionId}`);
  }
  if (first === undefined) return;
  for (const { order, outcome, startMs } of attempts) {
    const reuses = order.kind === "transfer" && order.reusesRequestId;
    if (reuses || startMs <= first.endMs || !("refused" in outcome)) continue;
    const text = `refused with ${outcome.refused} after it was acknowledged`;
    findings.push(`${nameOf(attempts)}: ${text} as ${first.transactionId}`);
  }
}

/** Every event had a cause: an attempt that was told "nothing done", or refused, is none. */
function auditCauses(
  events: readonly JournalEvent[],
  groups: ReadonlyMap<string | Attempt, readonly Attempt[]>,
  findings: string[],
): void {
  const withoutKey = new Map<string, readonly Attempt[]>();
  for (const [key, attempts] of groups) {
    if (typeof key === "string" || !("acknowledged" in key.outcome)) continue;
    withoutKey.set(key.outcome.acknowledged.transactionId, attempts);
  }
  for (const { position, committedAtMs, event } of events) {
    const { requestId, transactionId } = event;
    const attempts = requestId === "" ? withoutKey.get(transactionId) : groups.get(requestId);
    if (attempts === undefined || attempts.some((each) => causes(each, committedAtMs))) continue;
    findings.push(`position ${position}: ${nameOf(attempts)} acted though no attempt says so`);
  }
}

function causes({ outcome, startMs, endMs }: Attempt, committedAtMs: number): boolean {
  if (startMs > committedAtMs || "refused" in outcome) return false;
  if ("acknowledged" in outcome) return committedAtMs <= endMs;
  return !nothingDone.has(outcome.fault.reason);
}

/** What was sent after an answer stands behind it in the journal. */
function auditOrderInTime(
  groups: ReadonlyMap<string | Attempt, readonly Attempt[]>,
  findings: string[],
): void {
  const answered = [...groups.values()].flatMap((attempts) => {
    const answers = attempts.flatMap(({ outcome, endMs }) =>
      "acknowledged" in outcome ? [{ position: outcome.acknowledged.position, endMs }] : [],
    );
    const [answer] = answers;
    if (answer === undefined) return [];
    const startMs = Math.min(...attempts.map((attempt) => attempt.startMs));
    const endMs = Math.min(...answers.map((each) => each.endMs));
    return [{ position: answer.position, startMs, endMs, name: nameOf(attempts) }];
  });
  const byEnd = [...answered].sort((one, other) => one.endMs - other.endMs);
  let ended = 0;
  let highest = 0n;
  for (const each of answered.sort((one, other) => one.startMs - other.startMs)) {
    for (let next = byEnd[ended]; next && next.endMs < each.startMs; next = byEnd[ended]) {
      if (next.position > highest) highest = next.position;
      ended += 1;
    }
    if (each.position > highest) continue;
    findings.push(`position ${each.position}: ${each.name}, sent after ${highest} was answered`);
  }
}

/** Every event was ordered by somebody; without a request_id they are counted. */
function auditOwners(
  events: readonly JournalEvent[],
  groups: ReadonlyMap<string | Attempt, readonly Attempt[]>,
  findings: string[],
): void {
  const withoutKey = new Map<string, { least: number; most: number; found: number }>();
  for (const attempt of groups.keys()) {
    if (typeof attempt === "string") continue;
    const { order, outcome } = attempt;
    const counts = withoutKey.get(contentOf(order)) ?? { least: 0, most: 0, found: 0 };
    withoutKey.set(contentOf(order), counts);
    if ("acknowledged" in outcome) counts.least += 1;
    const unknown = "fault" in outcome && !nothingDone.has(outcome.fault.reason);
    if ("acknowledged" in outcome || unknown) counts.most += 1;
  }
  for (const { position, event } of events) {
    // The service's own doing.
    if (holdOf(event)?.status === HoldStatus.EXPIRED) continue;
    const content = contentOfEvent(event);
    if (event.requestId === "") {
      const counts = withoutKey.get(content);
      if (counts) counts.found += 1;
      else findings.push(`position ${position}: nobody ordered this ${content}`);
      continue;
    }
    const orders = groups.get(event.requestId)?.map(({ order }) => order) ?? [];
    const meant = orders.some((order) => !isReuse(order) && contentOf(order) === content);
    if (meant) continue;
    findings.push(`position ${position}: nobody ordered ${content} as ${event.requestId}`);
  }
  for (const [content, { least, most, found }] of withoutKey) {
    if (found >= least && found <= most) continue;
    findings.push(`${content}: ${found} times in the journal, ordered ${least} to ${most} times`);
  }
}

function isReuse(order: Order): boolean {
  return order.kind === "transfer" && order.reusesRequestId === true;
}

function nameOf([first]: readonly Attempt[]): string {
  return first === undefined ? "nothing" : describeOrder(first.order);
}
