import postgres from "postgres";

/** What an auditor counts in a wallet database. */
export interface WalletTotals {
  /** The sum of all balances, four decimals. */
  readonly balance: string;
  /** How many events the journal holds. */
  readonly events: number;
  /** How many groups committed them. */
  readonly groups: number;
}

/** Counts everything in a wallet database. */
export async function countTotals(ownerUrl: string): Promise<WalletTotals> {
  const sql = postgres(ownerUrl, { max: 1 });
  try {
    const [totals] = await sql<WalletTotals[]>`
      select (select sum(balance)::text from wallets) as balance,
        coalesce(sum(event_count), 0)::int as events, count(*)::int as groups from journal`;
    if (totals === undefined) throw new Error("The database gave no totals.");
    return totals;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/**
 * Checks that transfers neither made nor lost money.
 *
 * @throws Error when the sum of balances is not what it was
 */
export function requireConserved(
  before: Pick<WalletTotals, "balance">,
  after: Pick<WalletTotals, "balance">,
): void {
  if (after.balance === before.balance) return;
  throw new Error(`Money is not conserved: it was ${before.balance}, it is ${after.balance}.`);
}
