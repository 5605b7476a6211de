import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  ActorSchema,
  type SideSchema,
  WalletEventSchema,
} from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { DetailsSchema } from "@pelikuni/gen/wallet/v1/wallet_pb";
import fc from "fast-check";
import { expect, test } from "vitest";
import { formatAmount, storedAmount, zero } from "./money.ts";
import { holdMessage, settingsMessage } from "./rpc/messages.ts";
import type { Decision, HoldState, Side, WalletState } from "./wallet.ts";
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
const positive = amounts.filter((amount) => amount.greaterThan(0));
const states: fc.Arbitrary<WalletState> = fc.record({
  id: ids,
  userId: words,
  currency: currencies,
  balance: amounts,
  held: fc.oneof(fc.constant(zero), amounts),
  status: fc.constantFrom("ACTIVE", "FROZEN_OUTGOING", "FROZEN", "CLOSED"),
  transferLimit: fc.option(positive, { nil: undefined }),
  version: fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }),
  createTimeMs: timesMs,
  updateTimeMs: timesMs,
});
// Keys in the order in which protobuf's own encoder writes them: that of their insertion.
const metadata = fc.dictionary(
  words.filter((key) => key !== "__proto__" && !/^\d/.test(key)),
  words,
  { maxKeys: 4 },
);
const holds: fc.Arbitrary<HoldState> = fc.record({
  id: ids,
  walletId: ids,
  currency: currencies,
  amount: amounts,
  captured: amounts,
  status: fc.constantFrom("OPEN", "CAPTURED", "RELEASED", "EXPIRED"),
  createTimeMs: timesMs,
  expireTimeMs: timesMs,
});
const reversals = fc.record({
  transactionId: ids,
  legs: fc.array(fc.record({ index: fc.nat({ max: 99 }), amount: positive }), { maxLength: 3 }),
});
const exchanges = fc.record({ rate: words, quoteId: words });
const contents = fc.oneof(
  fc.record({ kind: fc.constantFrom("walletCreated", "walletFunded", "transferCompleted") }),
  fc.record({ kind: fc.constantFrom("holdPlaced", "holdReleased"), hold: holds }),
  fc.record({ kind: fc.constant("walletStatusChanged"), reason: words }),
  fc.record({ kind: fc.constant("walletUpdated"), metadata }),
  fc.record({ kind: fc.constant("transactionPosted"), hold: holds }),
  fc.record({ kind: fc.constant("transactionPosted"), reversal: reversals }),
  fc.record({ kind: fc.constant("transactionPosted"), exchange: exchanges }),
) satisfies fc.Arbitrary<Partial<Decision>>;
const decisions: fc.Arbitrary<Decision> = fc
  .tuple(
    contents,
    fc.record({
      occurredAtMs: timesMs,
      legs: fc.array(fc.record({ from: sides, to: sides, amount: amounts, currency: currencies })),
      changes: fc.array(
        fc.record({
          before: fc.option(states, { nil: undefined }),
          after: states,
          amount: amounts,
        }),
        { minLength: 1, maxLength: 4 },
      ),
    }),
  )
  .map(([content, decision]): Decision => ({ ...content, ...decision }));
const details = fc.option(fc.record({ reference: words, description: words, metadata }), {
  nil: undefined,
});

const actors = fc.option(fc.record({ issuer: words, subject: words, client: words }), {
  nil: undefined,
});
const said = fc.record({ requestId: words, details, actor: actors });

test("the bytes of an event are those that protobuf's own encoder makes", () => {
  const heads = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(decisions, ids, said, heads, (decision, id, notes, head) => {
      const ours = encodeEvent(decision, id, notes, () => head);
      const event = eventOf(decision, id, notes.requestId, head);
      if (notes.details !== undefined) event.details = create(DetailsSchema, notes.details);
      if (notes.actor !== undefined) event.actor = create(ActorSchema, notes.actor);
      expect(ours.equals(toBinary(WalletEventSchema, event))).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

function eventOf(
  decision: Decision,
  transactionId: string,
  requestId: string,
  head: Uint8Array,
): ReturnType<typeof create<typeof WalletEventSchema>> {
  const { occurredAtMs, legs, changes } = decision;
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
    kind: kindOf(decision),
  });
}

function kindOf(
  decision: Decision,
): NonNullable<MessageInitShape<typeof WalletEventSchema>["kind"]> {
  const { kind, hold, reversal, exchange, reason = "", metadata: pairs = {}, changes } = decision;
  switch (kind) {
    case "walletStatusChanged":
      return { case: kind, value: { reason } };
    case "walletUpdated": {
      const settings = { metadata: pairs, transferLimit: changes[0]?.after.transferLimit };
      return { case: kind, value: { settings: settingsMessage(settings) } };
    }
    case "holdPlaced":
    case "holdReleased":
      return { case: kind, value: { hold: holdMessage(hold) } };
    case "transactionPosted": {
      const legs = reversal?.legs.map(({ index, amount }) => {
        return { index, amount: formatAmount(amount) };
      });
      return {
        case: kind,
        value: {
          ...(hold && { hold: holdMessage(hold) }),
          ...(reversal && legs && { reversal: { transactionId: reversal.transactionId, legs } }),
          ...(exchange && { exchange }),
        },
      };
    }
    default:
      return { case: kind, value: {} };
  }
}

function sideOf(side: Side): MessageInitShape<typeof SideSchema> {
  return "walletId" in side
    ? { side: { case: "walletId", value: side.walletId } }
    : { side: { case: "account", value: side.account } };
}
