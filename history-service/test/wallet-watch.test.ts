import { expect, test } from "vitest";
import { watchWallet } from "../src/wallet-watch.ts";
import { createWalletWatchers, type WalletWatchers } from "../src/wallet-watchers.ts";
import { createJournalMaker } from "./journal-maker.ts";
import { createHistoryBed } from "./test-history.ts";

test("a wallet may be watched before it exists", async () => {
  await using bed = await createHistoryBed();
  const journal = createJournalMaker("watching");
  const walletId = journal.createWallet();
  journal.endSegment();
  const watchers = createWalletWatchers(bed.pool, bed.tail);
  let waits = 0;
  const observed: WalletWatchers = {
    untilTouched(...wallet) {
      waits += 1;
      return watchers.untilTouched(...wallet);
    },
  };
  const caller = new AbortController();
  const parts = { pool: bed.pool, watchers: observed };
  const entries = watchWallet(parts, { walletId }, 0n, caller.signal);
  const first = entries.next();
  await expect.poll(() => waits).toBe(1);
  await bed.ingestion.ingest(journal.messages);
  expect((await first).value).toMatchObject({ walletId, version: 0n, kind: "wallet_created" });
  caller.abort();
  expect(await entries.next()).toMatchObject({ done: true });
});
