import type postgres from "postgres";

/**
 * Everything that the wallet-service has written and that means something: two of these are equal
 * when nothing happened between them.
 */
export async function readWrittenState(
  sql: postgres.Sql,
): Promise<Readonly<Record<string, unknown>>> {
  const [journal] = await sql`
    select count(*), max(first_position + event_count - 1) as last_position from journal`;
  return {
    journal,
    wallets: [...(await sql`select * from wallets order by id`)],
    settings: [...(await sql`select * from wallet_settings order by 1`)],
    holds: [...(await sql`select * from holds order by id`)],
    reversals: [...(await sql`select * from reversals order by 1`)],
    references: [...(await sql`select * from account_references order by 1`)],
    keys: [...(await sql`select * from request_keys order by 1`)],
  };
}
