import type { Sql } from "@pelikuni/runtime/postgres";
import { arrayLiteral } from "@pelikuni/runtime/postgres-array";
import postgres from "postgres";
import type { CommandItems } from "./command-inputs.ts";
import { lockHolds } from "./hold-store.ts";
import { formatAmount } from "./money.ts";
import { findReversals, type RecordedReversals } from "./reversal-store.ts";
import type { RecordedHold, RecordedWallet } from "./wallet-events.ts";
import { findMetadata, type RecordedMetadata } from "./wallet-settings-store.ts";
import { lockWallets } from "./wallet-store.ts";

/** What a command looked at, and the state it was decided on; `undefined`: as absent. */
export interface Seen<State> {
  readonly id: string;
  readonly state: State | undefined;
}

/** Everything that one group of decided commands commits. */
export interface GroupToCommit {
  readonly seen: readonly Seen<RecordedWallet>[];
  readonly created: readonly RecordedWallet[];
  /** Wallets that existed before the group, in their final states. */
  readonly changed: readonly RecordedWallet[];
  readonly seenHolds: readonly RecordedHold[];
  /** Holds that the group places or changes, in their final states. */
  readonly holds: readonly RecordedHold[];
  readonly seenReversals: readonly Seen<RecordedReversals>[];
  readonly reversals: readonly { id: string; state: RecordedReversals }[];
  readonly seenMetadata: readonly Seen<RecordedMetadata>[];
  readonly metadata: readonly { id: string; state: RecordedMetadata }[];
  readonly references: readonly { hash: string; transactionId: string }[];
  readonly keys: readonly { key: string; fingerprint: Uint8Array; transactionId: string }[];
  /** Keys of refused commands. */
  readonly refusedKeys: readonly string[];
  readonly segmentId: string;
  readonly eventCount: number;
  /** The encoded events, each with its length in front. */
  readonly events: Buffer;
  /** SHA-256 of each event, one behind the other. */
  readonly eventHashes: Buffer;
}

/** What became of a group: nothing was written unless it is committed. */
export type CommitResult =
  | { readonly outcome: "committed"; readonly firstPosition: bigint }
  /** Something is not what a command was decided on. */
  | { readonly outcome: "stale" }
  /** A request key belongs to an earlier request. */
  | { readonly outcome: "keyTaken" }
  /** No request key does, and a reference has acted before. */
  | { readonly outcome: "referenceTaken" };

/** Commits a group as a transaction of its own, if everything is as it was seen. */
export async function commitGroup(sql: Sql, group: GroupToCommit): Promise<CommitResult> {
  return await failureAsResult(commitCall(sql, group));
}

/** What was locked, as it is. */
export interface LockedInputs {
  readonly wallets: ReadonlyMap<string, RecordedWallet>;
  readonly items: Omit<CommandItems, "transactions">;
}

/**
 * Locks wallets and holds, each in id order, in a transaction that stays open, and reads what decides
 * commands. Each statement sees what was committed while the one before waited; all are sent
 * together. The client must have one connection only, and no other user until the transaction ends.
 */
export async function lockInputs(
  sql: Sql,
  walletIds: readonly string[],
  items: CommandItems,
): Promise<LockedInputs> {
  // A hold that was not found stays so: its wallet is not known, and not locked.
  const holdIds = [...items.holds.values()].flatMap((hold) => (hold ? [hold.id] : []));
  // Sent at once: left to Promise.all it would follow the statements that functions have sent, and
  // these would lock nothing beyond themselves.
  const begun = sql`begin`.execute();
  const [, wallets, holds, reversals, metadata] = await Promise.all([
    begun,
    lockWallets(sql, walletIds),
    ifAny(holdIds, (ids) => lockHolds(sql, ids)),
    // Not locked: others who reverse the transaction lose the race at the commit.
    ifAny([...items.reversals.keys()], (ids) => findReversals(sql, ids)),
    ifAny([...items.metadata.keys()], (ids) => findMetadata(sql, ids)),
  ]);
  return { wallets, items: { holds, reversals, metadata } };
}

/** Commits a group in the transaction that `lockInputs` opened, and ends it; sent together. */
export async function commitLockedGroup(sql: Sql, group: GroupToCommit): Promise<CommitResult> {
  const [result] = await Promise.all([failureAsResult(commitCall(sql, group)), sql`commit`]);
  return result;
}

async function ifAny<Row>(
  ids: readonly string[],
  read: (ids: readonly string[]) => Promise<Map<string, Row>>,
): Promise<Map<string, Row>> {
  return ids.length === 0 ? new Map() : await read(ids);
}

async function commitCall(sql: Sql, group: GroupToCommit): Promise<CommitResult> {
  const { seen, created, keys } = group;
  const rows = await sql<{ firstPosition: bigint | null }[]>`
    select commit_group(
      ${arrayLiteral(seen.map((wallet) => wallet.id))},
      ${arrayLiteral(seen.map((wallet) => wallet.state?.version ?? null))},
      ${arrayLiteral(seen.map((wallet) => wallet.state?.head ?? null))},
      ${arrayLiteral(created.map((wallet) => wallet.id))},
      ${arrayLiteral(created.map((wallet) => wallet.userId))},
      ${arrayLiteral(created.map((wallet) => wallet.currency))},
      ${arrayLiteral(created.map((wallet) => wallet.head))},
      ${arrayLiteral(created.map((wallet) => new Date(wallet.createTimeMs)))},
      ${changedWallets(sql, group)},
      ${arrayLiteral(keys.map((key) => key.key))},
      ${arrayLiteral(keys.map((key) => key.fingerprint))},
      ${arrayLiteral(keys.map((key) => key.transactionId))},
      ${arrayLiteral(group.refusedKeys)},
      ${holds(sql, group)},
      ${reversals(sql, group)},
      ${metadata(sql, group)},
      ${arrayLiteral(group.references.map(({ hash }) => hash))},
      ${arrayLiteral(group.references.map(({ transactionId }) => transactionId))},
      ${group.segmentId}, ${group.eventCount}, ${group.events}, ${group.eventHashes}
    ) as "firstPosition"`;
  const firstPosition = rows[0]?.firstPosition ?? null;
  return firstPosition === null ? { outcome: "stale" } : { outcome: "committed", firstPosition };
}

function changedWallets(sql: Sql, { changed }: GroupToCommit): ReturnType<Sql> {
  return sql`
    ${arrayLiteral(changed.map((wallet) => wallet.id))},
    ${arrayLiteral(changed.map((wallet) => formatAmount(wallet.balance)))},
    ${arrayLiteral(changed.map((wallet) => formatAmount(wallet.held)))},
    ${arrayLiteral(changed.map((wallet) => wallet.status))},
    ${arrayLiteral(
      changed.map(({ transferLimit }) => (transferLimit ? formatAmount(transferLimit) : null)),
    )},
    ${arrayLiteral(changed.map((wallet) => wallet.version))},
    ${arrayLiteral(changed.map((wallet) => wallet.head))},
    ${arrayLiteral(changed.map((wallet) => new Date(wallet.updateTimeMs)))}`;
}

function holds(sql: Sql, { seenHolds, holds: changed }: GroupToCommit): ReturnType<Sql> {
  return sql`
    ${arrayLiteral(seenHolds.map((hold) => hold.id))},
    ${arrayLiteral(seenHolds.map((hold) => hold.walletVersion))},
    ${arrayLiteral(changed.map((hold) => hold.id))},
    ${arrayLiteral(changed.map((hold) => hold.walletId))},
    ${arrayLiteral(changed.map((hold) => hold.currency))},
    ${arrayLiteral(changed.map((hold) => formatAmount(hold.amount)))},
    ${arrayLiteral(changed.map((hold) => formatAmount(hold.captured)))},
    ${arrayLiteral(changed.map((hold) => hold.status))},
    ${arrayLiteral(changed.map((hold) => new Date(hold.createTimeMs)))},
    ${arrayLiteral(changed.map((hold) => new Date(hold.expireTimeMs)))},
    ${arrayLiteral(changed.map((hold) => hold.walletVersion))}`;
}

function reversals(
  sql: Sql,
  { seenReversals, reversals: changed }: GroupToCommit,
): ReturnType<Sql> {
  return sql`
    ${arrayLiteral(seenReversals.map(({ id }) => id))},
    ${arrayLiteral(seenReversals.map(({ state }) => BigInt(state?.version ?? 0)))},
    ${arrayLiteral(changed.map(({ id }) => id))},
    ${arrayLiteral(changed.map(({ state }) => arrayLiteral(state.reversed.map(formatAmount))))},
    ${arrayLiteral(changed.map(({ state }) => BigInt(state.version)))}`;
}

function metadata(sql: Sql, { seenMetadata, metadata: changed }: GroupToCommit): ReturnType<Sql> {
  return sql`
    ${arrayLiteral(seenMetadata.map(({ id }) => id))},
    ${arrayLiteral(seenMetadata.map(({ state }) => state?.walletVersion ?? 0n))},
    ${arrayLiteral(changed.map(({ id }) => id))},
    ${arrayLiteral(changed.map(({ state }) => JSON.stringify(state.metadata)))},
    ${arrayLiteral(changed.map(({ state }) => state.walletVersion))}`;
}

async function failureAsResult(result: Promise<CommitResult>): Promise<CommitResult> {
  try {
    return await result;
  } catch (error) {
    const code = error instanceof postgres.PostgresError ? error.code : "";
    if (code === "PW001") return { outcome: "keyTaken" };
    if (code === "PW002") return { outcome: "referenceTaken" };
    if (code === "PW003") return { outcome: "stale" };
    throw error;
  }
}
