import { v7 } from "uuid";
import type { CommandOutcome } from "../src/command-outcome.ts";
import type { Command } from "../src/decide/command.ts";
import type { GroupToCommit } from "../src/group-store.ts";
import { formatAmount } from "../src/money.ts";
import type { WalletEngine } from "../src/wallet-engine.ts";
import { amountOf, requestOf } from "./test-engine.ts";

/** Submits commands so that they land in one group. */
export async function together(
  engine: WalletEngine,
  commands: readonly (readonly [Command, string?])[],
): Promise<PromiseSettledResult<CommandOutcome>[]> {
  const requests = commands.map(([command, requestId]) => requestOf(command, requestId));
  return await Promise.allSettled(engine.groupCommit.submit(requests, Infinity));
}

/** What callers were told: the balance of the first wallet of each answer, or the reason. */
export function told(results: readonly PromiseSettledResult<CommandOutcome>[]): string[] {
  return results.map((result) => {
    if (result.status === "rejected") return String(result.reason.reason);
    const outcome = result.value;
    if ("refusal" in outcome) return outcome.refusal.reason;
    return formatAmount(outcome.answer.wallets[0]?.balance ?? amountOf("0"));
  });
}

/** A group that commits nothing but its comparison. */
export function compareOnly(seen: GroupToCommit["seen"]): GroupToCommit {
  return {
    seen,
    created: [],
    changed: [],
    seenHolds: [],
    holds: [],
    seenReversals: [],
    reversals: [],
    seenMetadata: [],
    metadata: [],
    references: [],
    keys: [],
    refusedKeys: [],
    segmentId: v7(),
    eventCount: 0,
    events: Buffer.alloc(0),
    eventHashes: Buffer.alloc(0),
  };
}
