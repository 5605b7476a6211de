import type { HandlerContext } from "@connectrpc/connect";
import { callerOf, ownUserOf } from "@pelikuni/runtime/access/caller";
import { logRefusal } from "@pelikuni/runtime/access/refusal-log";
import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import type { Logger } from "pino";
import { findOwner } from "./entry-store.ts";
import { orUnavailable, refusalError } from "./history-errors.ts";
import type { Owner } from "./owner-view.ts";

/** Keeps callers without the scope to what is their own. */
export interface OwnerAccess {
  /** The caller, when he may see his own alone. */
  ownerOf(context: HandlerContext): Owner | undefined;
  /**
   * Lets the caller go on to a wallet that he may read, as history knows it now.
   *
   * @param walletId in lower case
   * @throws WALLET_NOT_FOUND for somebody else's as for one that is not there
   */
  assertReadable(walletId: string, context: HandlerContext): Promise<void>;
  /** Logs that a caller who may see his own alone asked for what is not, or is not there. */
  noteRefusal(context: HandlerContext, asked: object): void;
}

// About 200 bytes each. A wallet never changes hands, so that what is kept stays true. It answers only
// who owns a wallet: for all others it would be the faster way that tells that there is one.
const ownersKeptMax = 100_000;

/** Creates it over history's entries. */
export function createOwnerAccess(pool: DatabaseClient, logger: Logger): OwnerAccess {
  const owners = new Map<string, string>();

  async function isOwner(walletId: string, userId: string): Promise<boolean> {
    if (owners.get(walletId) === userId) return true;
    const found = await orUnavailable(pool.read((sql) => findOwner(sql, walletId)));
    if (found !== userId) return false;
    const [oldest] = owners.size >= ownersKeptMax ? owners.keys() : [];
    if (oldest !== undefined) owners.delete(oldest);
    owners.set(walletId, userId);
    return true;
  }

  function noteRefusal(context: HandlerContext, asked: object): void {
    if (ownUserOf(context) === undefined) return;
    logRefusal(logger, context.method, callerOf(context), asked);
  }

  return {
    ownerOf(context) {
      const userId = ownUserOf(context);
      if (userId === undefined) return undefined;
      const { issuer, subject } = callerOf(context);
      return { userId, issuer, subject };
    },
    async assertReadable(walletId, context) {
      const own = ownUserOf(context);
      if (own === undefined || (await isOwner(walletId, own))) return;
      noteRefusal(context, { walletId });
      throw refusalError({ reason: "WALLET_NOT_FOUND", walletId });
    },
    noteRefusal,
  };
}
