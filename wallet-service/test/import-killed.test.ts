import postgres from "postgres";
import { expect, onTestFinished, test } from "vitest";
import {
  addEarlierWallets,
  createEarlierDatabase,
  startImport,
} from "../../e2e/src/import-command.ts";
import { createTestDatabase } from "../../e2e/src/test-database.ts";

test("an import that is killed again and again brings everything over once", async () => {
  await using source = await createEarlierDatabase();
  const count = 20_000;
  const sum = await addEarlierWallets(source, count);
  await using target = await createTestDatabase();
  const sql = postgres(target.ownerUrl, { max: 1, onnotice: () => undefined });
  onTestFinished(() => sql.end({ timeout: 1 }));
  const wallets = async (): Promise<number> => {
    const [table] = await sql`select 1 as found where to_regclass('wallets') is not null`;
    if (table === undefined) return 0;
    const [row] = await sql<{ count: number }[]>`select count(*)::int from wallets`;
    return row?.count ?? 0;
  };
  for (const kill of [1, 2, 3]) {
    const command = startImport(source, target);
    const reached = kill * 4_000;
    await expect.poll(wallets, { timeout: 60_000, interval: 20 }).toBeGreaterThan(reached);
    await command.kill();
  }
  expect(await wallets()).toBeLessThan(count);

  const { exitCode, output } = await startImport(source, target).ended;
  expect(output).toContain(`USD the same here: 20,000 wallets with ${sum}.`);
  expect(exitCode).toBe(0);
  const [books] = await sql`
    select count(*)::int as wallets, sum(balance)::text as balance, sum(version)::int as fundings,
      (select sum(event_count)::int from journal) as events,
      (select count(*)::int from account_references) as references from wallets`;
  const funded = count * 0.9;
  expect(books).toEqual({
    wallets: count,
    balance: sum,
    fundings: funded,
    events: count + funded,
    references: funded,
  });
});
