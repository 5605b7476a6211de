import { createHash } from "node:crypto";
import type { Actor, Side } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import type { Audit, JournalEvent, OwnerSql } from "./journal-audit.ts";

interface EventRow {
  readonly position: bigint;
  readonly bytes: Buffer;
}

interface EntryRow {
  readonly position: bigint;
  readonly walletId: string;
  readonly version: bigint;
  /** Issuer, subject and client; empty for nobody. */
  readonly actor: string;
}

const rowsPerPage = 1_000;

/**
 * Holds history's tables against the journal: every event exactly once with the same bytes, every
 * change of it exactly one entry with who asked for it, and every leg of an account too.
 *
 * @param owner of history's database
 * @returns one sentence for each thing that is wrong
 */
export async function auditHistory(owner: OwnerSql, { events }: Audit): Promise<string[]> {
  const findings: string[] = [];
  const expected = new Map(events.map((event) => [event.position, event]));
  const entries = await readEntries(owner);
  const rows = owner<EventRow[]>`select position, bytes from events order by position`;
  for await (const page of rows.cursor(rowsPerPage)) {
    for (const { position, bytes } of page) {
      const known = expected.get(position);
      const head = createHash("sha256").update(bytes).digest();
      if (known === undefined) findings.push(`position ${position}: not in the journal, or twice`);
      else if (!head.equals(known.head)) findings.push(`position ${position}: other bytes`);
      expected.delete(position);
    }
  }
  for (const position of expected.keys()) findings.push(`position ${position} is not in history`);
  for (const { position, event } of events) {
    const { actor } = event;
    const changes = event.changes.map(({ walletId, version }) =>
      entryText({ walletId, version, actor: actorText(actor) }),
    );
    const found = entries.get(position)?.toSorted().join() ?? "";
    if (found !== changes.toSorted().join()) {
      findings.push(`position ${position}: its entries are ${found}, its changes ${changes}`);
    }
  }
  findings.push(...(await auditAccountEntries(owner, events)));
  return findings;
}

async function auditAccountEntries(
  owner: OwnerSql,
  events: readonly JournalEvent[],
): Promise<string[]> {
  const expected = new Set(
    events.flatMap(({ position, event }) =>
      event.legs.flatMap(({ from, to, amount, currency }, index) => [
        ...accountText({ position, index, side: from }, `-${amount} ${currency}`),
        ...accountText({ position, index, side: to }, `${amount} ${currency}`),
      ]),
    ),
  );
  const rows = owner<{ text: string }[]>`
    select concat_ws(' ', position, leg_index, account, amount, currency) as text
    from account_entries`;
  const findings: string[] = [];
  for await (const page of rows.cursor(rowsPerPage)) {
    for (const { text } of page) {
      if (!expected.delete(text)) findings.push(`account entry ${text}: not in the journal`);
    }
  }
  for (const text of expected) findings.push(`account entry ${text}: not in history`);
  return findings;
}

function accountText(
  end: { readonly position: bigint; readonly index: number; readonly side: Side | undefined },
  money: string,
): string[] {
  const { position, index, side } = end;
  return side?.side.case === "account" ? [`${position} ${index} ${side.side.value} ${money}`] : [];
}

async function readEntries(owner: OwnerSql): Promise<Map<bigint, string[]>> {
  const entries = new Map<bigint, string[]>();
  const rows = owner<EntryRow[]>`
    select position, wallet_id as "walletId", version, concat_ws(' ', actor->>'issuer',
      actor->>'subject', actor->>'client') as actor from entries`;
  for await (const page of rows.cursor(rowsPerPage)) {
    for (const entry of page) {
      const texts = entries.get(entry.position) ?? [];
      texts.push(entryText(entry));
      entries.set(entry.position, texts);
    }
  }
  return entries;
}

function entryText({ walletId, version, actor }: Omit<EntryRow, "position">): string {
  return `${walletId} ${version} by ${actor || "nobody"}`;
}

function actorText(actor: Actor | undefined): string {
  return actor === undefined ? "" : `${actor.issuer} ${actor.subject} ${actor.client}`;
}
