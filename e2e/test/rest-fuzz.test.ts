import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RestService, startRestService, type WalletView } from "./rest-service.ts";

let rest: RestService;
let wallet: WalletView;

beforeAll(async () => {
  rest = await startRestService();
  wallet = await rest.wallet("alice", "1000000");
});

afterAll(() => rest[Symbol.asyncDispose]());

const text = fc.string({ unit: "binary", maxLength: 120 });
const value = fc.oneof(text, fc.double(), fc.integer(), fc.jsonValue(), fc.constant("1"));
const body = fc.oneof(
  { weight: 4, arbitrary: fc.record({ user_id: value, currency: value }, { requiredKeys: [] }) },
  {
    weight: 4,
    arbitrary: fc.record(
      { amount: value, to_wallet_id: fc.oneof(value, fc.uuid()) },
      { requiredKeys: [] },
    ),
  },
  { weight: 1, arbitrary: fc.jsonValue() },
);
const header = fc.string({ unit: "grapheme-ascii", maxLength: 300 }).filter((one) => one !== "");
const headers = fc.record(
  { "Idempotency-Key": header, "If-Match": fc.oneof(header, fc.constant('"1"')) },
  { requiredKeys: [] },
);

function expectNoFault(status: number, answer: unknown): void {
  expect(status, JSON.stringify(answer)).toBeLessThan(500);
  if (status >= 400) expect(answer).toMatchObject({ status, detail: expect.stringMatching(/./) });
}

test("whatever JSON and headers a request has, the answer is no fault", async () => {
  const paths = ["/wallets", `/wallets/${wallet.id}/fund`, `/wallets/${wallet.id}/transfer`];
  const property = fc.asyncProperty(
    fc.constantFrom(...paths),
    body,
    headers,
    async (...request) => {
      const [path, sent, sentHeaders] = request;
      const answer = await rest.send("POST", path, JSON.stringify(sent), sentHeaders);
      expectNoFault(answer.status, answer.body);
    },
  );
  await fc.assert(property, { numRuns: 500 });
});

test("whatever bytes a body has, the answer is no fault", async () => {
  const property = fc.asyncProperty(fc.string({ unit: "binary" }), async (sent) => {
    const answer = await rest.send("POST", "/wallets", sent);
    expectNoFault(answer.status, answer.body);
  });
  await fc.assert(property, { numRuns: 200 });
});

test("whatever a path and its query are, the answer is no fault", async () => {
  const part = fc.oneof(text.map(encodeURIComponentSafely), fc.webSegment());
  const property = fc.asyncProperty(part, part, part, async (id, size, token) => {
    for (const path of [
      `/wallets/${id}`,
      `/users/${id}/wallets?page_size=${size}&page_token=${token}`,
      `/wallets?page_token=${token}`,
    ]) {
      const answer = await rest.send("GET", path);
      expectNoFault(answer.status, answer.body);
    }
  });
  await fc.assert(property, { numRuns: 200 });
});

// Half of a surrogate pair has no encoding.
function encodeURIComponentSafely(part: string): string {
  return encodeURIComponent(part.replaceAll(/\p{Surrogate}/gu, ""));
}
