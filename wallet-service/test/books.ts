import { readSegmentsBehind } from "../src/journal-store.ts";
import { formatAmount, storedAmount } from "../src/money.ts";
import { EventAudit, type Tables } from "./event-audit.ts";
import type { EngineBed } from "./test-engine.ts";

const readBytesMax = 64 * 1024 * 1024;

/** Holds the journal of a database against the invariants, and the tables against the journal. */
export interface Books {
  /** Reads what was added to the journal since the last look; throws where a rule is broken. */
  check(): Promise<void>;
}

/** Opens the books of a bed. */
export function openBooks({ owner }: EngineBed): Books {
  const audit = new EventAudit();
  let position = 0n;
  return {
    async check() {
      for (;;) {
        const segments = await readSegmentsBehind(owner, position, readBytesMax);
        if (segments.length === 0) break;
        for (const bytes of segments.flatMap(({ events }) => events)) {
          audit.take(bytes);
          position += 1n;
        }
      }
      audit.compare(await readTables(owner));
    },
  };
}

async function readTables(owner: EngineBed["owner"]): Promise<Tables> {
  const reversals = await owner<{ id: string; reversed: string }[]>`
    select transaction_id as id, array_to_string(reversed, ',') as reversed from reversals`;
  return {
    wallets: await owner<{ id: string; balance: string; held: string; version: bigint }[]>`
      select id, balance, held, version from wallets`,
    holds: await owner<{ id: string; captured: string; status: string }[]>`
      select id, captured, status from holds`,
    reversals: reversals.map(({ id, reversed }) => {
      return { id, reversed: reversed.split(",").map((one) => formatAmount(storedAmount(one))) };
    }),
  };
}
