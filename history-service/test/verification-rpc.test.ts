import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  HistoryService,
  type VerifyJournalRequest,
  type VerifyJournalResponse,
} from "@pelikuni/gen/history/v1/history_service_pb";
import { errorMetadata, errorReason } from "@pelikuni/runtime/rpc-errors";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { HistoryService as RunningHistory } from "../src/start-history-service.ts";
import { createJournalMaker, type JournalMaker } from "./journal-maker.ts";
import { createHistoryBed, type HistoryBed, serveHistory, tamper } from "./test-history.ts";

let bed: HistoryBed;
let service: RunningHistory;
let history: Client<typeof HistoryService>;
let journal: JournalMaker;
let alice: string;
beforeAll(async () => {
  bed = await createHistoryBed();
  service = await serveHistory(bed);
  history = createClient(HistoryService, service.transport);
  journal = createJournalMaker("verification over RPC");
  alice = journal.createWallet();
  journal.endSegment();
  for (let segment = 0; segment < 2; segment += 1) {
    for (let count = 0; count < 4; count += 1) journal.fund(alice, 10_000n);
    journal.endSegment();
  }
});
afterAll(async () => {
  await service[Symbol.asyncDispose]();
  await bed[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await bed.clear();
});

async function verify(
  range: Partial<Pick<VerifyJournalRequest, "fromPosition" | "toPosition">> = {},
): Promise<{ findings: string[]; result: VerifyJournalResponse | undefined }> {
  const findings: string[] = [];
  let result: VerifyJournalResponse | undefined;
  for await (const message of history.verifyJournal(range)) {
    if (message.finding) findings.push(message.finding.description);
    result = message;
  }
  return { findings, result };
}

test("the result says to which position the hash belongs", async () => {
  await bed.ingestion.ingest(journal.messages);
  expect((await verify()).result).toMatchObject({
    done: true,
    verifiedTo: 9n,
    hashPosition: 9n,
    uncoveredCount: 0n,
    findingCount: 0n,
  });
});

test("a range ends with the segment that it ends in", async () => {
  await bed.ingestion.ingest(journal.messages);
  const { result } = await verify({ fromPosition: 4n, toPosition: 4n });
  expect(result).toMatchObject({ verifiedTo: 5n, hashPosition: 5n, findingCount: 0n });
  expect(Buffer.from(result?.journalHash ?? [])).toEqual(journal.messages[4]?.journalHash);
});

test("a segment whose end is on its way is awaited", async () => {
  await bed.ingestion.ingest(journal.messages.slice(0, 7));
  const verifications = [verify(), history.verifyWallet({ walletId: alice })] as const;
  await bed.ingestion.ingest(journal.messages.slice(7));
  const [{ result }, wallet] = await Promise.all(verifications);
  expect(result).toMatchObject({ verifiedTo: 9n, hashPosition: 9n, findingCount: 0n });
  expect(wallet).toMatchObject({ valid: true, verifiedVersions: 9n });
});

test("a segment whose end does not come is told, with how much no hash covers", async () => {
  await bed.ingestion.ingest(journal.messages);
  await tamper(bed, (sql) => sql`update events set journal_hash = null where position = 9`);
  const verifications = [verify(), history.verifyWallet({ walletId: alice })] as const;
  const [{ findings, result }, wallet] = await Promise.all(verifications);
  expect(findings).toEqual([expect.stringContaining("covers the positions 6 to 9")]);
  expect(result).toMatchObject({
    done: true,
    verifiedTo: 9n,
    hashPosition: 5n,
    uncoveredCount: 4n,
    findingCount: 1n,
  });
  expect(wallet).toMatchObject({ valid: false, finding: { walletId: alice, position: 6n } });
});

test("a transaction whose stored bytes were changed is damaged, whether they still decode or not", async () => {
  await bed.ingestion.ingest(journal.messages);
  const [row] = await bed.owner<{ transactionId: string }[]>`
    select transaction_id as "transactionId" from events where position = 4`;
  const { transactionId = "" } = row ?? {};
  expect((await history.getTransaction({ transactionId })).position).toBe(4n);
  for (const bytes of [bed.owner`set_byte(bytes, octet_length(bytes) / 2, 88)`, bed.owner`'x'`]) {
    await tamper(bed, (sql) => sql`update events set bytes = ${bytes} where position = 4`);
    const failure = await history.getTransaction({ transactionId }).catch(ConnectError.from);
    if (!(failure instanceof ConnectError)) throw new Error("It was answered.");
    expect([failure.code, errorReason(failure)]).toEqual([Code.DataLoss, "HISTORY_DAMAGED"]);
    expect(errorMetadata(failure)).toEqual({ transaction_id: transactionId, position: "4" });
  }
});
