import { afterAll, beforeAll, expect, test } from "vitest";
import { type RestHistoryBed, startRestHistoryBed } from "./rest-history-bed.ts";
import { expectProblem } from "./rest-service.ts";

const unknownId = "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1";

let bed: RestHistoryBed;
let rest: RestHistoryBed["rest"];
let id: string;
let statement: string;
let transaction: string;

beforeAll(async () => {
  bed = await startRestHistoryBed();
  ({ rest } = bed);
  ({ id } = await rest.wallet("alice"));
  statement = `/wallets/${id}/statement?from=2020-01-01&to=2100-01-01`;
  const { headers } = await rest.send("POST", `/wallets/${id}/fund`, { amount: "100" });
  transaction = `/transactions/${headers.get("transaction-id")}`;
  const position = headers.get("position");
  await rest.send("GET", `/wallets/${id}/history?min_position=${position}`);
});
afterAll(() => bed[Symbol.asyncDispose]());

test("a position that is not reached in time is answered 503 with Retry-After", async () => {
  const min_position = "999999999";
  const answers = await Promise.all([
    rest.send("GET", `/wallets/${id}/history?min_position=${min_position}`),
    rest.send("GET", `/wallets/${id}/balance?min_position=${min_position}`),
    rest.send("GET", `${statement}&min_position=${min_position}`),
    rest.send("GET", `${transaction}?min_position=${min_position}`),
  ]);
  for (const answer of answers) {
    expectProblem(answer, 503, { reason: "NOT_COMPLETE_YET" });
    expect(answer.headers.get("retry-after")).toBe("1");
  }
});

test.each([unknownId, "no-uuid"])("what history does not know, like %s, is 404", async (other) => {
  const period = "from=2026-01-01&to=2027-01-01";
  for (const path of ["history", "balance", `statement?${period}`]) {
    const answer = await rest.send("GET", `/wallets/${other}/${path}`);
    expectProblem(answer, 404, { reason: "WALLET_NOT_FOUND", detail: "Wallet not found" });
  }
  const answer = await rest.send("GET", `/transactions/${other}`);
  expectProblem(answer, 404, { reason: "TRANSACTION_NOT_FOUND", detail: "Transaction not found" });
});

test.each([
  ["history?from=yesterday", "from"],
  ["history?to=2026-02-30", "to"],
  ["history?kind=A", "kind"],
  ["history?direction=up", "direction"],
  ["history?page_size=0", "page_size"],
  ["history?page_size=1001", "page_size"],
  ["history?page_token=x", "page_token"],
  ["history?min_position=-1", "min_position"],
  ["history?from=2026-01-01&from=2026-01-02", "from"],
  ["balance?at=2026-01-01T00:00:00", "at"],
  ["balance?at=0000-01-01", "at"],
  ["statement?to=2026-01-01", "from"],
  ["statement?from=2026-01-01", "to"],
  ["statement?from=2026-01-02&to=2026-01-01", "to"],
  ["statement?from=2026-01-01&to=2026-01-02&format=pdf", "format"],
])("GET /wallets/:id/%s is 400 and blames %s", async (path, field) => {
  const answer = await rest.send("GET", `/wallets/${id}/${path}`);
  const errors = [{ field, detail: expect.any(String) }];
  expectProblem(answer, 400, { reason: "INVALID_FIELD", errors });
});

test("HEAD answers the headers alone, and other methods are 405", async () => {
  const paths = [`/wallets/${id}/history`, `/wallets/${id}/balance`, statement, transaction];
  for (const path of paths) {
    const head = await rest.send("HEAD", path);
    expect([head.status, head.body]).toEqual([200, undefined]);
    const refused = await rest.send("DELETE", path);
    expectProblem(refused, 405, { reason: "METHOD_NOT_ALLOWED" });
    expect(refused.headers.get("allow")).toMatch(/GET/);
  }
});
