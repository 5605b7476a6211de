import type { Finding } from "../src/event-verification.ts";
import { verifyJournal } from "../src/journal-verification.ts";
import { verifyWallet, type WalletToVerify } from "../src/wallet-verification.ts";
import { createJournalMaker, type JournalMaker } from "./journal-maker.ts";
import type { HistoryBed } from "./test-history.ts";

/** A journal that tests tamper with, and the wallets in it. */
export interface JournalToVerify {
  readonly journal: JournalMaker;
  readonly alice: string;
  readonly bob: string;
  readonly carol: string;
}

/** The position that the journal ends with. */
export const last = 14n;

/** Makes a journal: three wallets, and money that goes from the first to the last. */
export function makeJournalToVerify(): JournalToVerify {
  const journal = createJournalMaker("verification");
  const alice = journal.createWallet();
  const bob = journal.createWallet();
  const carol = journal.createWallet();
  journal.endSegment();
  journal.fund(alice, 1_000_000n);
  for (let count = 0; count < 5; count += 1) {
    journal.transfer(alice, bob, 10_000n);
    journal.transfer(bob, carol, 5_000n);
    journal.endSegment();
  }
  return { journal, alice, bob, carol };
}

/** What verifying a range of the journal finds. */
export async function findInJournal(
  { pool }: HistoryBed,
  from = 1n,
  to = last,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const range = { from, to, toEnd: to === last };
  for await (const progress of verifyJournal(pool, range)) findings.push(...progress.findings);
  return findings;
}

/** What verifying one wallet finds. */
export async function findInWallet(
  { pool }: HistoryBed,
  walletId: string,
): Promise<Finding | undefined> {
  return (await verifyWallet(pool, toVerify(walletId)))?.finding;
}

/** A wallet to verify, for a caller who stays. */
export function toVerify(walletId: string, completeTo = last): WalletToVerify {
  return { walletId, completeTo, signal: new AbortController().signal };
}
