import type {
  GetStatementResponse,
  StatementClosing,
  StatementOpening,
} from "@pelikuni/gen/history/v1/history_service_pb";
import { csvRow, csvText } from "./csv.ts";
import { entryBody } from "./history-mapping.ts";
import type { EntryBody } from "./history-schema.ts";
import { instant } from "./rest-mapping.ts";

/** The parts of a statement as they arrive. */
export type StatementParts = AsyncIterable<GetStatementResponse>;

const pieceLengthMin = 16_384;

/** A statement as JSON, in pieces. */
export function statementJson(parts: StatementParts): AsyncGenerator<string> {
  return inPieces(jsonTexts(parts));
}

/** A statement as CSV with a header, in pieces. */
export function statementCsv(parts: StatementParts): AsyncGenerator<string> {
  return inPieces(csvRows(parts));
}

async function* jsonTexts(parts: StatementParts): AsyncGenerator<string> {
  let separator = "";
  for await (const { part } of parts) {
    if (part.case === "opening") {
      yield `${JSON.stringify(openingBody(part.value)).slice(0, -1)},"entries":[`;
    } else if (part.case === "entry") {
      yield separator + JSON.stringify(entryBody(part.value));
      separator = ",";
    } else if (part.case === "closing") {
      yield `],${JSON.stringify(closingBody(part.value)).slice(1)}`;
    }
  }
}

function openingBody(opening: StatementOpening): Record<string, string> {
  const { walletId, userId, currency, from, to, openingBalance } = opening;
  return {
    wallet_id: walletId,
    user_id: userId,
    currency,
    from: instant(from),
    to: instant(to),
    opening_balance: openingBalance,
  };
}

function closingBody(closing: StatementClosing): Record<string, string | number> {
  const { closingBalance, entryCount, totalIn, totalOut, completeTo } = closing;
  return {
    closing_balance: closingBalance,
    entry_count: Number(entryCount),
    total_in: totalIn,
    total_out: totalOut,
    complete_to: Number(completeTo),
  };
}

const columns = [
  "occurred_at",
  "kind",
  "amount",
  "balance",
  "held",
  "available",
  "currency",
  "status",
  "version",
  "position",
  "transaction_id",
  "request_id",
  "head",
  "wallet_id",
  "user_id",
  "reference",
  "description",
  "metadata",
  "hold_id",
  "reverses_transaction_id",
  "actor_issuer",
  "actor_subject",
  "actor_client",
] as const;

type Column = (typeof columns)[number];

async function* csvRows(parts: StatementParts): AsyncGenerator<string> {
  yield csvRow(columns);
  let common: Partial<Record<Column, string>> = {};
  let end = "";
  for await (const { part } of parts) {
    if (part.case === "opening") {
      const { walletId, userId, currency, from, to, openingBalance } = part.value;
      common = { currency, wallet_id: walletId, user_id: csvText(userId) };
      end = instant(to);
      const kind = "opening_balance";
      yield rowOf({ ...common, occurred_at: instant(from), kind, balance: openingBalance });
    } else if (part.case === "entry") {
      const entry = entryBody(part.value);
      yield rowOf({ ...entry, ...callersTexts(entry) });
    } else if (part.case === "closing") {
      const balance = part.value.closingBalance;
      yield rowOf({ ...common, occurred_at: end, kind: "closing_balance", balance });
    }
  }
}

/** The cells whose texts callers have chosen. */
function callersTexts(entry: EntryBody): Partial<Record<Column, string>> & { metadata: string } {
  const { user_id, request_id, reference, description, metadata, actor } = entry;
  const hasPairs = Object.keys(metadata).length > 0;
  return {
    user_id: csvText(user_id),
    request_id: csvText(request_id),
    reference: csvText(reference),
    description: csvText(description),
    metadata: csvText(hasPairs ? JSON.stringify(metadata) : ""),
    actor_issuer: csvText(actor?.issuer ?? ""),
    actor_subject: csvText(actor?.subject ?? ""),
    actor_client: csvText(actor?.client ?? ""),
  };
}

function rowOf(cells: Readonly<Partial<Record<Column, string | number>>>): string {
  return csvRow(columns.map((column) => String(cells[column] ?? "")));
}

/** Rows are short: sending each on its own would cost more than making it. */
async function* inPieces(texts: AsyncIterable<string>): AsyncGenerator<string> {
  let piece = "";
  for await (const text of texts) {
    piece += text;
    if (piece.length < pieceLengthMin) continue;
    yield piece;
    piece = "";
  }
  yield piece;
}
