import { createHash } from "node:crypto";
import { clone, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { type WalletEvent, WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import type postgres from "postgres";
import { type Audit, auditDatabase, type JournalEvent, type OwnerSql } from "./journal-audit.ts";

const positionBytes = 8;

/**
 * Changes one event as a forger who may write everything would: hashes, heads and the chain behind
 * it are made anew, so that only what the event says can give him away.
 */
export async function forgeEvent(
  owner: OwnerSql,
  events: readonly JournalEvent[],
  position: bigint,
  forge: (event: WalletEvent) => void,
): Promise<void> {
  const rows = await owner<{ firstPosition: bigint; eventCount: number }[]>`
    select first_position as "firstPosition", event_count as "eventCount" from journal
    order by first_position`;
  const heads = new Map<string, Buffer>();
  let previousHash = Buffer.alloc(0);
  for (const { firstPosition, eventCount } of rows) {
    const first = Number(firstPosition) - 1;
    const encoded = events.slice(first, first + eventCount).map((original) => {
      const event = clone(WalletEventSchema, original.event);
      if (original.position === position) forge(event);
      return encodeWithHeads(event, heads);
    });
    const number = Buffer.alloc(positionBytes);
    number.writeBigInt64BE(firstPosition);
    const hash = sha256(Buffer.concat([previousHash, number, ...encoded.map(sha256)]));
    const writer = new BinaryWriter();
    for (const bytes of encoded) writer.bytes(bytes);
    await owner`update journal set hash = ${hash}, events = ${Buffer.from(writer.finish())}
      where first_position = ${firstPosition}`;
    previousHash = hash;
  }
  for (const [walletId, head] of heads) {
    await owner`update wallets set head = ${head} where id = ${walletId}`;
  }
}

class RolledBack extends Error {}

/** Audits what is left after a tampering, which is then undone. */
export async function auditAfter(
  owner: postgres.Sql<{ bigint: bigint }>,
  tamper: (sql: OwnerSql) => Promise<unknown>,
): Promise<Audit> {
  let found: Audit | undefined;
  const undone = owner.begin(async (sql) => {
    await tamper(sql);
    found = await auditDatabase(sql);
    throw new RolledBack();
  });
  await undone.catch((error: unknown) => {
    if (!(error instanceof RolledBack)) throw error;
  });
  if (found === undefined) throw new Error("Nothing was audited.");
  return found;
}

function encodeWithHeads(event: WalletEvent, heads: Map<string, Buffer>): Uint8Array {
  for (const change of event.changes) {
    const head = heads.get(change.walletId);
    if (head !== undefined && change.previousHead.length > 0) change.previousHead = head;
  }
  const bytes = toBinary(WalletEventSchema, event);
  for (const { walletId } of event.changes) heads.set(walletId, sha256(bytes));
  return bytes;
}

function sha256(bytes: Uint8Array): Buffer<ArrayBuffer> {
  return Buffer.from(createHash("sha256").update(bytes).digest());
}
