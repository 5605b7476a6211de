import { HoldStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import type { JournalEvent, OwnerSql } from "./journal-audit.ts";
import { amountText } from "./money-units.ts";
import { hashOfPair } from "./table-audit.ts";
import type { Trails, WalletTrail } from "./trail-audit.ts";

/** Compares what stands beside the wallets with what the journal makes of it. */
export async function auditItems(
  owner: OwnerSql,
  events: readonly JournalEvent[],
  trails: Trails,
  findings: string[],
): Promise<void> {
  await auditHolds(owner, trails.holds, findings);
  await auditReversals(owner, trails.reversals, findings);
  await auditReferences(owner, events, findings);
  await auditSettings(owner, trails.byWallet, findings);
}

async function auditHolds(
  owner: OwnerSql,
  trails: Trails["holds"],
  findings: string[],
): Promise<void> {
  const rows = await owner<{ id: string; text: string }[]>`
    select id, concat_ws(' ', wallet_id, currency, amount, captured, status,
      (extract(epoch from create_time) * 1000)::bigint,
      (extract(epoch from expire_time) * 1000)::bigint, wallet_version) as text
    from holds`;
  const expected = [...trails].map(([id, hold]): [string, string] => {
    const { walletId, currency, units, capturedUnits, status } = hold;
    const amounts = `${amountText(units)} ${amountText(capturedUnits)} ${HoldStatus[status]}`;
    const { createTimeMs, expireTimeMs, walletVersion } = hold;
    return [
      id,
      `${walletId} ${currency} ${amounts} ${createTimeMs} ${expireTimeMs} ${walletVersion}`,
    ];
  });
  compare("hold", rows, new Map(expected), findings);
}

async function auditReversals(
  owner: OwnerSql,
  trails: Trails["reversals"],
  findings: string[],
): Promise<void> {
  const rows = await owner<{ id: string; text: string }[]>`
    select transaction_id as id, concat_ws(' ', array_to_string(reversed, ','), version) as text
    from reversals`;
  const expected = [...trails].map(([id, { units, times }]): [string, string] => {
    return [id, `${units.map(amountText).join()} ${times}`];
  });
  compare("reversal of", rows, new Map(expected), findings);
}

/** A reference acts once for each account that money comes from, and its row names where. */
async function auditReferences(
  owner: OwnerSql,
  events: readonly JournalEvent[],
  findings: string[],
): Promise<void> {
  const expected = new Map<string, string>();
  for (const { position, event } of events) {
    const reference = event.details?.reference ?? "";
    if (reference === "") continue;
    const sources = event.legs.flatMap(({ from }) =>
      from?.side.case === "account" ? [from.side.value] : [],
    );
    for (const account of new Set(sources)) {
      const hash = hashOfPair(account, reference);
      if (expected.has(hash)) {
        findings.push(`position ${position}: reference ${reference} of ${account} acted before`);
      }
      expected.set(hash, event.transactionId);
    }
  }
  const rows = await owner<{ id: string; text: string }[]>`
    select replace(hash::text, '-', '') as id, transaction_id::text as text
    from account_references`;
  compare("reference", rows, expected, findings);
}

async function auditSettings(
  owner: OwnerSql,
  trails: ReadonlyMap<string, WalletTrail>,
  findings: string[],
): Promise<void> {
  const rows = await owner<{ id: string; metadata: Record<string, string> }[]>`
    select wallet_id as id, metadata from wallet_settings`;
  const expected = new Map(
    [...trails].flatMap(([id, { metadata }]): [string, string][] => {
      return Object.keys(metadata).length > 0 ? [[id, pairsText(metadata)]] : [];
    }),
  );
  const kept = rows.map(({ id, metadata }) => ({ id, text: pairsText(metadata) }));
  // A row without a pair says no more than no row.
  compare(
    "settings of",
    kept.filter(({ text }) => text !== ""),
    expected,
    findings,
  );
}

function pairsText(metadata: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(metadata).map(([key, value]) => JSON.stringify([key, value]));
  return pairs.toSorted((left, right) => (left < right ? -1 : 1)).join();
}

function compare(
  what: string,
  rows: readonly { readonly id: string; readonly text: string }[],
  expected: ReadonlyMap<string, string>,
  findings: string[],
): void {
  const missing = new Map(expected);
  for (const { id, text } of rows) {
    const replayed = missing.get(id);
    missing.delete(id);
    if (replayed === text) continue;
    const journal = replayed === undefined ? "is not in the journal" : `${replayed} in the journal`;
    findings.push(`${what} ${id}: ${text} in the table, ${journal}`);
  }
  for (const [id, text] of missing) findings.push(`${what} ${id}: not in the table, ${text}`);
}
