import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type SideSchema, WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatAmount, storedAmount, zero } from "./money.ts";
import type { Decision, Side, WalletState } from "./wallet.ts";
import { encodeEvent, statusOnWire } from "./wallet-event-bytes.ts";

const ids = fc.uuid({ version: 7 });
const words = fc.string({ unit: "binary", maxLength: 100 });
const amounts = fc
  .bigInt({ min: -9_999_999_999_999_999_999n, max: 9_999_999_999_999_999_999n })
  .map((units) => storedAmount(units.toString()).div(10_000));
const currencies = fc.stringMatching(/^[A-Z][A-Z0-9]{2,11}$/);
const timesMs = fc.integer({ min: 0, max: 4_000_000_000_000 });
const sides: fc.Arbitrary<Side> = fc.oneof(
  ids.map((walletId) => ({ walletId })),
  words.map((account) => ({ account })),
);
const states: fc.Arbitrary<WalletState> = fc.record({
  id: ids,
  userId: words,
  currency: currencies,
  balance: amounts,
  held: fc.oneof(fc.constant(zero), amounts),
  status: fc.constant("ACTIVE" as const),
  version: fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }),
  createTimeMs: timesMs,
  updateTimeMs: timesMs,
});
const decisions: fc.Arbitrary<Decision> = fc.record({
  kind: fc.constantFrom("walletCreated", "walletFunded", "transferCompleted"),
  occurredAtMs: timesMs,
  legs: fc.array(fc.record({ from: sides, to: sides, amount: amounts, currency: currencies })),
  changes: fc.array(
    fc.record({ before: fc.option(states, { nil: undefined }), after: states, amount: amounts }),
  ),
});

test("the bytes of an event are those that protobuf's own encoder makes", () => {
  const heads = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(decisions, ids, words, heads, (decision, transactionId, requestId, head) => {
      const ours = encodeEvent(decision, transactionId, requestId, () => head);
      const theirs = toBinary(WalletEventSchema, eventOf(decision, transactionId, requestId, head));
      expect(ours.equals(theirs)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

function eventOf(
  { kind, occurredAtMs, legs, changes }: Decision,
  transactionId: string,
  requestId: string,
  head: Uint8Array,
): ReturnType<typeof create<typeof WalletEventSchema>> {
  return create(WalletEventSchema, {
    transactionId,
    occurredAt: timestampFromMs(occurredAtMs),
    requestId,
    legs: legs.map(({ from, to, amount, currency }) => {
      return { from: sideOf(from), to: sideOf(to), amount: formatAmount(amount), currency };
    }),
    changes: changes.map(({ before, after, amount }) => ({
      walletId: after.id,
      userId: after.userId,
      currency: after.currency,
      version: after.version,
      balance: formatAmount(after.balance),
      held: formatAmount(after.held),
      status: statusOnWire[after.status],
      amount: formatAmount(amount),
      previousHead: before ? head : new Uint8Array(),
    })),
    kind: { case: kind, value: {} },
  });
}

function sideOf(side: Side): MessageInitShape<typeof SideSchema> {
  return "walletId" in side
    ? { side: { case: "walletId", value: side.walletId } }
    : { side: { case: "account", value: side.account } };
}
