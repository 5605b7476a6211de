import { createHash } from "node:crypto";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import type { JournalEvent, OwnerSql } from "./journal-audit.ts";
import { amountText } from "./money-units.ts";
import type { WalletTrail } from "./trail-audit.ts";

interface WalletRow {
  id: string;
  userId: string;
  currency: string;
  balance: string;
  held: string;
  status: string;
  transferLimit: string | null;
  version: bigint;
  head: Buffer;
  createTime: Date;
  updateTime: Date;
}

const lengthBytes = 4;
const hashHexDigits = 32;

/** Compares the table of wallets with what the journal makes of each. */
export async function auditWallets(
  owner: OwnerSql,
  trails: ReadonlyMap<string, WalletTrail>,
  findings: string[],
): Promise<void> {
  const rows = await owner<WalletRow[]>`
    select id, user_id as "userId", currency, balance, held, status,
      transfer_limit as "transferLimit", version, head, create_time as "createTime", update_time as "updateTime"
    from wallets`;
  const stored = new Set(rows.map(({ id }) => id));
  for (const [walletId, { versions }] of trails) {
    if (stored.has(walletId)) continue;
    const position = versions.at(-1)?.position;
    findings.push(`wallet ${walletId}: not in the table, last changed at position ${position}`);
  }
  for (const row of rows) {
    const trail = trails.get(row.id);
    const latest = trail?.versions.at(-1);
    if (trail === undefined || latest === undefined) {
      findings.push(`wallet ${row.id}: in the table, not in the journal`);
      continue;
    }
    const expected = {
      userId: trail.userId,
      currency: trail.currency,
      balance: amountText(latest.units),
      held: amountText(latest.heldUnits),
      status: WalletStatus[latest.status],
      transferLimit: latest.limitUnits === undefined ? null : amountText(latest.limitUnits),
      version: BigInt(trail.versions.length - 1),
      head: latest.head.toString("hex"),
      createTime: new Date(trail.createdAtMs).toISOString(),
      updateTime: new Date(latest.occurredAtMs).toISOString(),
    };
    const found = { ...row, head: row.head.toString("hex"), ...instantsOf(row) };
    for (const name of fieldNames) {
      if (found[name] === expected[name]) continue;
      findings.push(
        `wallet ${row.id}: ${name} is ${found[name]} in the table, ` +
          `${expected[name]} after position ${latest.position}`,
      );
    }
  }
}

const fieldNames = [
  "userId",
  "currency",
  "balance",
  "held",
  "status",
  "transferLimit",
  "version",
  "head",
  "createTime",
  "updateTime",
] as const;

function instantsOf(row: WalletRow): { createTime: string; updateTime: string } {
  return { createTime: row.createTime.toISOString(), updateTime: row.updateTime.toISOString() };
}

/** Every request_id of the journal has its key, every key its event, and none two. */
export async function auditRequestKeys(
  owner: OwnerSql,
  events: readonly JournalEvent[],
  findings: string[],
): Promise<void> {
  const rows = await owner<{ key: string; transactionId: string }[]>`
    select replace(key::text, '-', '') as key, transaction_id as "transactionId"
    from request_keys`;
  const transactions = new Map(rows.map(({ key, transactionId }) => [key, transactionId]));
  const owners = new Map<string, bigint>();
  for (const { position, event } of events) {
    if (event.requestId === "") continue;
    const key = hashOfPair("", event.requestId);
    const earlier = owners.get(key);
    if (earlier !== undefined) {
      const text = `request_id ${event.requestId} was acted on at ${earlier} as well`;
      findings.push(`position ${position}: ${text}`);
    }
    owners.set(key, position);
    const transactionId = transactions.get(key);
    if (transactionId !== event.transactionId) {
      const text = `the key of request_id ${event.requestId} names ${transactionId}`;
      findings.push(`position ${position}: ${text}, not ${event.transactionId}`);
    }
  }
  for (const [key, transactionId] of transactions) {
    if (owners.has(key)) continue;
    findings.push(`request key ${key}: its transaction ${transactionId} is not in the journal`);
  }
}

/** The first 16 bytes of SHA-256 over two texts, their lengths in front, in hex. */
export function hashOfPair(first: string, second: string): string {
  const hash = createHash("sha256");
  for (const text of [first, second]) {
    const length = Buffer.alloc(lengthBytes);
    length.writeUInt32BE(Buffer.byteLength(text));
    hash.update(length).update(text);
  }
  return hash.digest("hex").slice(0, hashHexDigits);
}
