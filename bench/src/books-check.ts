import { readSegmentsBehind } from "../../wallet-service/src/journal-store.ts";
import {
  add,
  formatAmount,
  isZero,
  storedAmount,
  subtract,
  zero,
} from "../../wallet-service/src/money.ts";
import type { WalletEngine } from "../../wallet-service/src/wallet-engine.ts";
import { readPostedTransaction } from "../../wallet-service/src/wallet-events.ts";
import { withClient } from "./bench-sql.ts";

const bytesPerRead = 4_194_304;

/**
 * Checks what every operation must leave: wallets have what the accounts outside gave, by the legs
 * of the whole journal, and hold back what their open holds are about.
 *
 * @returns the sum of all balances
 * @throws Error when the books do not balance
 */
export async function requireBalancedBooks(
  engine: WalletEngine,
  ownerUrl: string,
): Promise<string> {
  const [books] = await withClient(
    ownerUrl,
    (sql) => sql<{ balance: string; wrongWallets: number }[]>`
      select coalesce(sum(balance), 0)::text as balance,
        count(*) filter (where held <> coalesce(open.amount, 0))::int as "wrongWallets"
      from wallets left join (
        select wallet_id, sum(amount - captured) as amount from holds where status = 'OPEN'
        group by wallet_id
      ) open on open.wallet_id = wallets.id`,
  );
  if (books === undefined) throw new Error("The database gave no totals.");
  const { balance, wrongWallets } = books;
  const given = await sumGivenByAccounts(engine);
  if (!isZero(subtract(storedAmount(balance), given))) {
    throw new Error(`Wallets have ${balance}, accounts gave ${formatAmount(given)}.`);
  }
  if (wrongWallets > 0) throw new Error(`${wrongWallets} wallets hold back what no hold tells.`);
  return balance;
}

async function sumGivenByAccounts({ pool }: WalletEngine): Promise<typeof zero> {
  let given = zero;
  let position = 0n;
  let segments = await pool.read((sql) => readSegmentsBehind(sql, position, bytesPerRead));
  while (segments.length > 0) {
    for (const { firstPosition, events } of segments) {
      for (const { from, to, amount } of events.flatMap((event) => legsOf(event))) {
        if ("account" in from) given = add(given, amount);
        if ("account" in to) given = subtract(given, amount);
      }
      position = firstPosition + BigInt(events.length) - 1n;
    }
    segments = await pool.read((sql) => readSegmentsBehind(sql, position, bytesPerRead));
  }
  return given;
}

function legsOf(event: Uint8Array): ReturnType<typeof readPostedTransaction>["legs"] {
  return readPostedTransaction(event).legs;
}
