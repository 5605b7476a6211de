import type { DatabaseClient } from "@pelikuni/runtime/postgres";
import { lastPosition } from "./journal-store.ts";
import type { RecordedWallet } from "./wallet-events.ts";
import { listWalletsById } from "./wallet-store.ts";

const walletsPerReadMax = 1_000;

/**
 * Reads all wallets as they are at one position: that position first, then the wallets in pages, in
 * the order of their ids. One read-only transaction sees them all at the same moment.
 *
 * @param client has one connection, and no other user until the snapshot has ended
 * @throws DatabaseUnavailable
 */
export async function* snapshotWallets(
  client: DatabaseClient,
): AsyncGenerator<bigint | RecordedWallet[]> {
  try {
    await client.call((sql) => sql`begin isolation level repeatable read read only`);
    yield await client.call(lastPosition);
    let behind: string | undefined;
    do {
      const after = behind;
      const wallets = await client.call((sql) => listWalletsById(sql, after, walletsPerReadMax));
      if (wallets.length > 0) yield wallets;
      behind = wallets.length < walletsPerReadMax ? undefined : wallets.at(-1)?.id;
    } while (behind !== undefined);
    await client.call((sql) => sql`commit`);
  } finally {
    // A snapshot that was left in its middle goes with its connection.
    await client[Symbol.asyncDispose]();
  }
}
