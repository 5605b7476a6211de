import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  EntrySchema,
  GetStatementResponseSchema,
  GetTransactionResponseSchema,
} from "@pelikuni/gen/history/v1/history_service_pb";
import { WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { expect, test } from "vitest";
import { entryBody, transactionBody } from "./history-mapping.ts";
import { statementCsv } from "./statement-text.ts";

const actor = { issuer: "https://id.example", subject: "=alice", client: "" };
const occurredAt = timestampFromMs(1_764_000_000_000);
const entry = create(EntrySchema, { occurredAt, actor });
const event = create(WalletEventSchema, {
  occurredAt,
  actor,
  kind: { case: "walletCreated", value: {} },
});

test("an entry and a transaction show who asked for them, and nothing where nobody did", () => {
  expect(entryBody(entry)).toMatchObject({ actor });
  expect(entryBody(create(EntrySchema, { occurredAt }))).not.toHaveProperty("actor");
  const shown = create(GetTransactionResponseSchema, { event });
  expect(transactionBody(shown)).toMatchObject({ actor });
  const byNobody = create(GetTransactionResponseSchema, { event: { ...event, actor: undefined } });
  expect(transactionBody(byNobody)).not.toHaveProperty("actor");
});

test("a transaction whose bytes are not shown has no head", () => {
  const eventBytes = toBinary(WalletEventSchema, event);
  const whole = create(GetTransactionResponseSchema, { event, eventBytes });
  expect(transactionBody(whole).head).toHaveLength(64);
  const hidden = create(GetTransactionResponseSchema, { event });
  expect(transactionBody(hidden)).toMatchObject({ head: "", event_bytes: "" });
});

test("a statement as CSV ends with who asked for each change, and no formula", async () => {
  async function* parts(): AsyncGenerator<
    ReturnType<typeof create<typeof GetStatementResponseSchema>>
  > {
    yield create(GetStatementResponseSchema, { part: { case: "entry", value: entry } });
  }
  let csv = "";
  for await (const piece of statementCsv(parts())) csv += piece;
  const [columns, row] = csv.split("\r\n");
  expect(columns).toMatch(/,actor_issuer,actor_subject,actor_client$/);
  expect(row).toMatch(/,"https:\/\/id.example","'=alice",$/);
});
