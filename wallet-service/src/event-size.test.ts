import { expect, test } from "vitest";
import { noItems } from "./command-inputs.ts";
import type { Command } from "./decide/command.ts";
import { estimateEventBytes } from "./event-size.ts";
import { storedAmount, zero } from "./money.ts";
import type { Actor, Details, Leg, WalletState } from "./wallet.ts";
import { encodeEvent } from "./wallet-event-bytes.ts";

const head = new Uint8Array(32);
const amount = storedAmount("999999999999999.9999");
const details: Details = {
  reference: "é".repeat(255),
  description: "€".repeat(500),
  metadata: Object.fromEntries(
    Array.from({ length: 16 }, (_, index) => [`key ${index}`, "€".repeat(500)]),
  ),
};

const actor: Actor = {
  issuer: `https://${"i".repeat(247)}`,
  subject: "€".repeat(255),
  client: "c".repeat(255),
};

function walletId(index: number): string {
  return `0198c0de-7a11-7c3b-9f63-${index.toString().padStart(12, "0")}`;
}

function wallet(index: number, userId: string): WalletState {
  return {
    id: walletId(index),
    userId,
    currency: "POINTS",
    balance: amount,
    held: zero,
    status: "ACTIVE",
    transferLimit: undefined,
    version: 1_000_000n,
    createTimeMs: 0,
    updateTimeMs: 0,
  };
}

test("the metadata of an update count, and every other text of a command", () => {
  const { metadata } = details;
  const texts: Command[] = [
    { kind: "updateWallet", walletId: walletId(0), metadata },
    { kind: "closeWallet", walletId: walletId(0), reason: "€".repeat(500) },
    { kind: "post", legs: [], exchange: { rate: "", quoteId: "€".repeat(255) } },
  ];
  const sizes = texts.map((command) => estimateEventBytes({ command, requestId: "" }, noItems));
  for (const [index, least] of [24_000, 1_500, 765].entries()) {
    expect(sizes[index]).toBeGreaterThan(least);
  }
});

test.for([
  { legCount: 1, said: undefined, userId: "alice" },
  { legCount: 1, said: undefined, userId: "a".repeat(100), actor },
  { legCount: 100, said: undefined, userId: "a".repeat(100) },
  { legCount: 1, said: details, userId: "alice" },
  { legCount: 100, said: details, userId: "a".repeat(100) },
])("an event is not larger than estimated: $legCount legs", ({ legCount, said, userId, actor }) => {
  const legs = Array.from({ length: legCount }, (_, index): Leg => {
    const to = { walletId: walletId(2 * index + 1) };
    return { from: { walletId: walletId(2 * index) }, to, amount };
  });
  const command: Command = { kind: "post", legs };
  const requestId = "€".repeat(255);
  const estimated = estimateEventBytes({ command, requestId, details: said, actor }, noItems);
  const changes = Array.from({ length: 2 * legCount }, (_, index) => {
    const state = wallet(index, userId);
    return { before: state, after: state, amount };
  });
  const bytes = encodeEvent(
    {
      kind: "transactionPosted",
      occurredAtMs: 1_764_000_000_000,
      legs: legs.map((leg) => ({ ...leg, currency: "POINTS" })),
      changes,
    },
    walletId(0),
    { requestId, details: said, actor },
    () => head,
  );
  expect(bytes.length).toBeLessThanOrEqual(estimated);
  expect(bytes.length).toBeGreaterThan(estimated / 3);
});
