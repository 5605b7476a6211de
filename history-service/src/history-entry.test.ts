import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { WalletEventSchema } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { expect, test } from "vitest";
import { decodeEvent } from "./history-entry.ts";

type EventInit = Exclude<MessageInitShape<typeof WalletEventSchema>, { $typeName: string }>;

const alice = "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1";
const bob = "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a2";

const aliceChange = {
  walletId: alice,
  userId: "alice",
  currency: "USD",
  version: 4n,
  balance: "74.5000",
  held: "10.0000",
  status: WalletStatus.ACTIVE,
  amount: "-25.5000",
  previousHead: new Uint8Array(32).fill(1),
};

const bobChange = {
  ...aliceChange,
  walletId: bob,
  userId: "bob",
  version: 1n,
  balance: "25.5000",
  held: "0.0000",
  amount: "25.5000",
};

const leg = {
  from: { side: { case: "walletId", value: alice } },
  to: { side: { case: "walletId", value: bob } },
  amount: "25.5000",
  currency: "USD",
} as const;

const transfer = {
  transactionId: "0198c0de-7a11-7c3b-9f63-000000000001",
  occurredAt: timestampFromMs(1_764_000_000_123),
  requestId: "rent",
  legs: [leg],
  changes: [aliceChange, bobChange],
  kind: { case: "transferCompleted", value: {} },
} satisfies EventInit;

function encode(init: EventInit): Uint8Array {
  return toBinary(WalletEventSchema, create(WalletEventSchema, init));
}

test("an event becomes one entry for each wallet that it changes", () => {
  const decoded = decodeEvent(encode(transfer));
  expect(decoded).toMatchObject({
    transactionId: transfer.transactionId,
    occurredAtMs: 1_764_000_000_123,
    requestId: "rent",
  });
  expect(decoded.hash).toHaveLength(32);
  expect(decoded.entries).toEqual([
    { ...aliceChange, kind: "transfer_completed", status: "ACTIVE" },
    { ...bobChange, kind: "transfer_completed", status: "ACTIVE" },
  ]);
});

const actor = { issuer: "https://id.example", subject: "alice", client: "app" };

test("who asked for an event is taken from it", () => {
  expect(decodeEvent(encode({ ...transfer, actor })).actor).toEqual(actor);
  const unnamed = { ...actor, client: "" };
  expect(decodeEvent(encode({ ...transfer, actor: unnamed })).actor).toEqual(unnamed);
  expect(decodeEvent(encode(transfer)).actor).toBeUndefined();
});

test("details, hold and the transaction reversed belong to the whole event", () => {
  const details = { reference: "r", description: "d", metadata: { key: "value" } };
  const kind = {
    case: "transactionPosted",
    value: { hold: { id: bob }, reversal: { transactionId: alice } },
  } as const;
  expect(decodeEvent(encode({ ...transfer, kind, details }))).toMatchObject({
    details,
    holdId: bob,
    reversesTransactionId: alice,
  });
  expect(decodeEvent(encode(transfer))).toMatchObject({
    details: undefined,
    holdId: undefined,
    reversesTransactionId: undefined,
  });
});

/** The transfer with other fields in the sender's change. */
function withChange(changes: Partial<typeof aliceChange>): EventInit {
  return { ...transfer, changes: [{ ...aliceChange, ...changes }, bobChange] };
}

function without(field: "occurredAt" | "kind"): EventInit {
  const { [field]: _, ...others } = transfer;
  return others;
}

const created = {
  ...transfer,
  legs: [],
  kind: { case: "walletCreated", value: {} },
} satisfies EventInit;

const mistakes: Record<string, EventInit> = {
  "a transaction id that is no UUID": { ...transfer, transactionId: "1" },
  "a transaction id in upper case": { ...transfer, transactionId: alice.toUpperCase() },
  "a reference with U+0000": { ...transfer, details: { reference: "\0" } },
  "a description that is too long": { ...transfer, details: { description: "d".repeat(501) } },
  "metadata with U+0000": { ...transfer, details: { metadata: { key: "\0" } } },
  "an actor without a subject": { ...transfer, actor: { ...actor, subject: "" } },
  "an actor whom nobody vouches for": { ...transfer, actor: { ...actor, issuer: "" } },
  "an actor that cannot be stored": { ...transfer, actor: { ...actor, subject: "a\0b" } },
  "a client that is too long": { ...transfer, actor: { ...actor, client: "c".repeat(256) } },
  "a hold without an id": { ...transfer, kind: { case: "holdPlaced", value: {} } },
  "a hold whose id is no UUID": {
    ...transfer,
    kind: { case: "transactionPosted", value: { hold: { id: "1" } } },
  },
  "a reversal of no transaction": {
    ...transfer,
    kind: { case: "transactionPosted", value: { reversal: {} } },
  },
  "no instant": without("occurredAt"),
  "an instant before 1970": { ...transfer, occurredAt: timestampFromMs(-1) },
  "an instant beyond the year 9999": {
    ...transfer,
    occurredAt: timestampFromMs(253_402_300_800_000),
  },
  "an instant finer than a millisecond": { ...transfer, occurredAt: { seconds: 1n, nanos: 1 } },
  "a request id that cannot be stored": { ...transfer, requestId: "a\0b" },
  "a request id that is too long": { ...transfer, requestId: "x".repeat(256) },
  "an unknown kind": without("kind"),
  "no change": { ...transfer, legs: [], changes: [] },
  "a wallet id that is no UUID": withChange({ walletId: "alice" }),
  "a negative version": withChange({ version: -1n }),
  "no owner": withChange({ userId: "" }),
  "an owner that is too long": withChange({ userId: "x".repeat(101) }),
  "a currency that is none": withChange({ currency: "usd" }),
  "an amount without decimals": withChange({ amount: "-25" }),
  "an amount that the legs do not move": withChange({ amount: "-25.4999" }),
  "a balance with an exponent": withChange({ balance: "1e2" }),
  "a balance too large for its column": withChange({ balance: "1000000000000000.0000" }),
  "a balance below what is held": withChange({ balance: "9.9999" }),
  "a negative held amount": withChange({ held: "-1.0000" }),
  "no status": withChange({ status: WalletStatus.UNSPECIFIED }),
  "a status of a later release": withChange({ status: Number("99") }),
  "a head too short": withChange({ previousHead: new Uint8Array(31) }),
  "no head before a later version": withChange({ previousHead: new Uint8Array() }),
  "a head before a creation": {
    ...created,
    changes: [{ ...aliceChange, version: 0n, amount: "0.0000" }],
  },
  "a wallet changed twice": {
    ...created,
    changes: [
      { ...aliceChange, amount: "0.0000" },
      { ...aliceChange, amount: "0.0000" },
    ],
  },
  "a leg without a change": { ...transfer, changes: [aliceChange] },
  "a leg with one side": { ...transfer, legs: [{ ...leg, to: {} }] },
  "a leg in another currency than its wallets": {
    ...transfer,
    legs: [{ ...leg, currency: "EUR" }],
  },
  "a leg of an account that cannot be stored": {
    ...transfer,
    legs: [leg, { ...leg, from: { side: { case: "account", value: "a\0b" } } }],
  },
  "an amount with needless zeros": { ...transfer, legs: [{ ...leg, amount: "025.5000" }] },
  "a balance of minus nothing": withChange({ balance: "-0.0000", held: "0.0000" }),
  "a leg of nothing": { ...transfer, legs: [{ ...leg, amount: "0.0000" }] },
};

test.for(Object.keys(mistakes))("an event with %s is not taken for one", (name) => {
  const bytes = encode(mistakes[name] ?? {});
  expect(() => decodeEvent(bytes)).toThrow(/^Not an event of the journal: /);
});

test("a reason never repeats text that was not checked", () => {
  const walletId = "a\0b";
  const side = { side: { case: "walletId", value: walletId } } as const;
  const poison = {
    ...transfer,
    legs: [{ ...leg, to: side }],
    changes: [aliceChange, { ...bobChange, walletId }],
  };
  expect(() => decodeEvent(encode(poison))).toThrow(/whose id is no UUID in lower case\.$/);
});

test("bytes that are no message are not taken for an event", () => {
  for (const bytes of [
    new Uint8Array(),
    Buffer.from("poison"),
    encode(transfer).subarray(0, 100),
  ]) {
    expect(() => decodeEvent(bytes)).toThrow(/^Not an event of the journal: /);
  }
});

test("text is counted in characters, as Postgres and the contract do", () => {
  const userId = "🦉".repeat(100);
  expect(decodeEvent(encode(withChange({ userId }))).entries[0]?.userId).toBe(userId);
});
