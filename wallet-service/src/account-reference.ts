import type { Sql } from "@pelikuni/runtime/postgres";
import { arrayLiteral } from "@pelikuni/runtime/postgres-array";
import type { Request } from "./command-group.ts";
import type { CommandItems } from "./command-inputs.ts";
import { namedUuid } from "./request-key.ts";
import type { Details, Leg } from "./wallet.ts";

/**
 * The references that a movement uses up, one for each account outside that money comes from: as
 * UUIDs, the first 16 bytes of SHA-256 over account and reference.
 */
export function referencesOf(legs: readonly Leg[], details: Details | undefined): string[] {
  const reference = details?.reference ?? "";
  if (reference === "") return [];
  const accounts = legs.flatMap(({ from }) => ("account" in from ? [from.account] : []));
  return [...new Set(accounts)].map((account) => namedUuid(account, reference));
}

/** The references that a request may use up, whatever is decided. */
export function possibleReferencesOf(
  { command, details }: Pick<Request, "command" | "details">,
  items: CommandItems,
): string[] {
  if (command.kind === "reverseTransaction") {
    const { transactionId, shortfallAccount: account } = command;
    const turned = (items.transactions.get(transactionId)?.legs ?? []).map(
      ({ from, to, amount }) => {
        return { from: to, to: from, amount };
      },
    );
    const shortfall = turned.slice(0, account === undefined ? 0 : 1).map((leg) => {
      return { ...leg, from: { account: account ?? "" } };
    });
    return referencesOf([...turned, ...shortfall], details);
  }
  return "legs" in command ? referencesOf(command.legs, details) : [];
}

/** Finds which references have acted before, and the transactions in which they did. */
export async function findUsedReferences(
  sql: Sql,
  hashes: readonly string[],
): Promise<Map<string, string>> {
  const rows = await sql<{ hash: string; transactionId: string }[]>`
    select hash, transaction_id as "transactionId" from account_references
    where hash = any(${arrayLiteral(hashes)}::uuid[])`;
  return new Map(rows.map(({ hash, transactionId }) => [hash, transactionId]));
}
