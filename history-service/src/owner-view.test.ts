import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  EntrySchema,
  GetTransactionResponseSchema,
  ReversedBySchema,
} from "@pelikuni/gen/history/v1/history_service_pb";
import {
  ActorSchema,
  TransactionPostedSchema,
  WalletChangeSchema,
  type WalletEvent,
  WalletEventSchema,
} from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { expect, test } from "vitest";
import type { StoredEntry } from "./entry-store.ts";
import { entryOfOwner, type Owner, transactionOfOwner } from "./owner-view.ts";

type EventInit = Exclude<MessageInitShape<typeof WalletEventSchema>, { $typeName: string }>;
type LegInit = NonNullable<EventInit["legs"]>[number];

const issuer = "https://id.example";
const actor = { issuer, subject: "alice", client: "app" };
const alice: Owner = { userId: "alice", issuer, subject: "alice" };
const bob: Owner = { userId: "bob", issuer, subject: "bob" };
const carol: Owner = { userId: "carol", issuer, subject: "carol" };

function change(userId: string, walletId = `wallet of ${userId}`): object {
  return {
    walletId,
    userId,
    currency: "USD",
    version: 7n,
    balance: `${userId}'s balance`,
    held: `${userId}'s held`,
    status: WalletStatus.ACTIVE,
    amount: "5.0000",
    previousHead: new Uint8Array(32).fill(1),
  };
}

function leg(from: string, to: string): LegInit {
  const side = (name: string): NonNullable<LegInit["from"]> => ({
    side: { case: name === "fees" ? "account" : "walletId", value: name },
  });
  return { from: side(from), to: side(to), amount: "5.0000", currency: "USD" };
}

const toBob = leg("wallet of alice", "wallet of bob");
const toCarol = leg("wallet of alice", "wallet of carol");
const toFees = leg("wallet of alice", "fees");
const details = { reference: "order 1", description: "for both", metadata: { shop: "12" } };

function event(init: EventInit): WalletEvent {
  const occurredAt = timestampFromMs(1_764_000_000_000);
  const common = { transactionId: "transaction", occurredAt, requestId: "key", actor, details };
  return create(WalletEventSchema, { ...common, ...init });
}

const betweenTwo = { legs: [toBob], changes: [change("alice"), change("bob")] };
const amongThree = {
  legs: [toBob, toCarol, toFees],
  changes: [change("alice"), change("bob"), change("carol")],
};
const exchange = { rate: "1.1", quoteId: "quote" };
const transfer = event({ ...betweenTwo, kind: { case: "transferCompleted", value: {} } });
const split = event({ ...amongThree, kind: { case: "transactionPosted", value: { exchange } } });

interface Shown {
  readonly wallets: string[];
  readonly legs: WalletEvent["legs"];
  readonly event: WalletEvent;
}

function shownTo(owner: Owner, whole: WalletEvent, reversed?: WalletEvent): Shown {
  const transaction = { position: 4n, event: whole, reversedBy: [] };
  const init = transactionOfOwner(transaction, reversed, owner);
  const shown = create(GetTransactionResponseSchema, init);
  const { event } = shown;
  if (event === undefined) throw new Error("No event is shown.");
  expect(shown.eventBytes).toHaveLength(0);
  for (const each of event.changes) expect(each.previousHead).toHaveLength(0);
  const wallets = event.changes.map(({ walletId }) => walletId);
  return { wallets, legs: event.legs, event };
}

const legsOf = (...legs: LegInit[]): WalletEvent["legs"] => event({ legs }).legs;

test.for([
  { name: "who pays sees his own side of it", owner: alice, wallets: ["wallet of alice"] },
  { name: "who is paid sees his own side of it", owner: bob, wallets: ["wallet of bob"] },
])("a transfer: $name", ({ owner, wallets }) => {
  const shown = shownTo(owner, transfer);
  expect(shown.wallets).toEqual(wallets);
  expect(shown.legs).toEqual(legsOf(toBob));
  expect(shown.event).toMatchObject({
    transactionId: "transaction",
    occurredAt: transfer.occurredAt,
    kind: { case: "transferCompleted" },
    details,
    changes: [{ userId: owner.userId, balance: `${owner.userId}'s balance`, version: 7n }],
  });
});

test.for([
  { name: "who did it himself", owner: alice, actor, isShown: true },
  { name: "the other side", owner: bob, actor, isShown: false },
  {
    name: "who has it done for him",
    owner: alice,
    actor: { ...actor, subject: "operator" },
    isShown: false,
  },
  {
    name: "a namesake of another issuer",
    owner: alice,
    actor: { ...actor, issuer: "https://other.example" },
    isShown: false,
  },
  { name: "an owner, if nobody is named", owner: alice, actor: undefined, isShown: false },
])("request_id and actor: shown to $name: $isShown", ({ owner, actor: by, isShown }) => {
  const done = event({ ...betweenTwo, kind: { case: "transferCompleted", value: {} } });
  done.actor = by && create(ActorSchema, by);
  const shown = shownTo(owner, done).event;
  expect(shown.requestId).toBe(isShown ? "key" : "");
  expect(shown.actor !== undefined).toBe(isShown);
  const entry = entryOfOwner(storedEntry({ userId: owner.userId, actor: by ?? null }), owner);
  expect(entry.requestId).toBe(isShown ? "key" : "");
  expect(entry.actor !== null).toBe(isShown);
});

test("of several legs each sees those that touch his wallets", () => {
  expect(shownTo(alice, split).legs).toEqual(legsOf(toBob, toCarol, toFees));
  expect(shownTo(bob, split)).toMatchObject({ wallets: ["wallet of bob"], legs: legsOf(toBob) });
  expect(shownTo(carol, split).legs).toEqual(legsOf(toCarol));
});

test("whose wallets are on both sides sees both", () => {
  const both = event({
    legs: [leg("wallet of alice", "alice's other")],
    changes: [change("alice"), change("alice", "alice's other")],
    kind: { case: "transactionPosted", value: { exchange } },
  });
  const shown = shownTo(alice, both);
  expect(shown.wallets).toEqual(["wallet of alice", "alice's other"]);
  expect(shown.event.kind.value).toMatchObject({ exchange });
});

test("an exchange between several owners is shown to none of them", () => {
  for (const owner of [alice, bob]) {
    expect(shownTo(owner, split).event.kind.value).not.toHaveProperty("exchange");
  }
});

test("a hold is shown to whose it is", () => {
  const hold = { id: "hold", walletId: "wallet of alice" };
  const captured = event({ ...betweenTwo, kind: { case: "transactionPosted", value: { hold } } });
  expect(shownTo(alice, captured).event.kind.value).toMatchObject({ hold });
  expect(shownTo(bob, captured).event.kind.value).not.toHaveProperty("hold");
  const placed = event({
    changes: [change("alice")],
    kind: { case: "holdPlaced", value: { hold } },
  });
  expect(shownTo(alice, placed).event.kind).toMatchObject({ case: "holdPlaced", value: { hold } });
});

test.for([
  { amount: "-5.0000", holdId: "hold" },
  { amount: "0.0000", holdId: "hold" },
  { amount: "5.0000", holdId: null },
])("an entry that adds $amount has the hold $holdId", ({ amount, holdId }) => {
  const entry = storedEntry({ amount, holdId: "hold" });
  expect(entryOfOwner(entry, alice).holdId).toBe(holdId);
});

test("a reversal is shown with what it takes back of the owner's legs", () => {
  const legs = [0, 1, 2].map((index) => ({ index, amount: "5.0000" }));
  const reversal = { transactionId: "split", legs };
  const back = event({ ...amongThree, kind: { case: "transactionPosted", value: { reversal } } });
  const shownReversal = (owner: Owner, reversed?: WalletEvent): unknown => {
    const { kind } = shownTo(owner, back, reversed).event;
    return kind.case === "transactionPosted" ? kind.value.reversal : "of another kind";
  };
  expect(shownReversal(alice, split)).toMatchObject({ legs });
  expect(shownReversal(carol, split)).toMatchObject({ transactionId: "split", legs: [legs[1]] });
  expect(shownReversal(carol)).toBeUndefined();
});

test("what took a transaction back is shown with the owner's legs", () => {
  const { legs } = create(ReversedBySchema, {
    legs: [0, 1, 2, 3].map((index) => ({ index, amount: "5.0000" })),
  });
  const by = { transactionId: "refund", position: 9n, legs };
  const whole = { position: 4n, event: split, reversedBy: [by] };
  const shownTo = (owner: Owner): unknown => transactionOfOwner(whole, undefined, owner).reversedBy;
  expect(shownTo(alice)).toMatchObject([{ ...by, legs: legs.slice(0, 3) }]);
  expect(shownTo(carol)).toMatchObject([{ ...by, legs: [legs[1]] }]);
});

test("why a wallet was frozen is not shown to whose it is", () => {
  const freeze = {
    changes: [change("alice")],
    kind: { case: "walletStatusChanged", value: { reason: "suspected fraud" } },
  } satisfies EventInit;
  const frozen = event({ ...freeze, actor: { ...actor, subject: "operator" } });
  expect(shownTo(alice, frozen).event.kind).toMatchObject({
    case: "walletStatusChanged",
    value: { reason: "" },
  });
  expect(shownTo(alice, event(freeze)).event.kind.value).toMatchObject({
    reason: "suspected fraud",
  });
});

test("what is kept beside a wallet is shown to whose it is", () => {
  const updated = event({
    changes: [change("alice")],
    kind: { case: "walletUpdated", value: { settings: { metadata: { tier: "gold" } } } },
  });
  expect(shownTo(alice, updated).event.kind.value).toMatchObject({
    settings: { metadata: { tier: "gold" } },
  });
});

test("an owner's entry has no head, and somebody else's is not shown at all", () => {
  expect(entryOfOwner(storedEntry({}), alice)).toEqual({
    ...storedEntry({}),
    head: new Uint8Array(),
  });
  expect(() => entryOfOwner(storedEntry({}), bob)).toThrow("somebody else's");
});

// Whoever adds a field decides whether owners see it.
test("every field of an event and of an entry was thought about", () => {
  const shown = [WalletEventSchema, WalletChangeSchema, TransactionPostedSchema, EntrySchema];
  expect(shown.map(({ fields }) => fields.map(({ name }) => name).join(" "))).toEqual([
    "transaction_id occurred_at request_id legs changes wallet_created wallet_funded " +
      "transfer_completed transaction_posted hold_placed hold_released wallet_status_changed " +
      "wallet_updated details actor",
    "wallet_id user_id currency version balance held status amount previous_head",
    "hold reversal exchange",
    "wallet_id version transaction_id position occurred_at kind amount currency balance held " +
      "available status user_id request_id head details hold_id reverses_transaction_id actor",
  ]);
});

function storedEntry(fields: Partial<StoredEntry>): StoredEntry {
  return {
    walletId: "wallet of alice",
    version: 7n,
    position: 4n,
    transactionId: "transaction",
    occurredAt: new Date(1_764_000_000_000),
    kind: "transaction_posted",
    amount: "-5.0000",
    currency: "USD",
    balance: "10.0000",
    held: "0.0000",
    status: "ACTIVE",
    userId: "alice",
    requestId: "key",
    details,
    actor,
    holdId: "hold",
    reversesTransactionId: "split",
    head: new Uint8Array(32),
    ...fields,
  };
}
