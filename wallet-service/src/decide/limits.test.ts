import { describe, expect, test } from "vitest";
import { amount, decideOn, type Items, nowMs, wallet } from "../../test/decision-steps.ts";
import { zero } from "../money.ts";
import type { PostedTransaction } from "../wallet.ts";
import { type Command, fund, transfer, withdraw } from "./command.ts";

describe("the limit of a currency", () => {
  const limitedBoth = wallet("own", "100", { currency: "JPY", transferLimit: amount("5") });
  const all = [
    limitedBoth,
    ...["a", "b", "c"].map((id) => wallet(id, "100", { currency: "JPY" })),
    wallet("closing", "100", { currency: "JPY" }),
  ];
  const expireTimeMs = nowMs + 1_000;
  const holdOf = (total: string): Items => {
    const hold = { id: "h", walletId: "a", currency: "JPY", amount: amount(total), captured: zero };
    return { holds: [{ ...hold, status: "OPEN", createTimeMs: nowMs, expireTimeMs }] };
  };
  const leg = (from: string, to: string, units: string) => {
    return { from: { walletId: from }, to: { walletId: to }, amount: amount(units) };
  };
  const payments = [{ to: { walletId: "b" }, amount: amount("40") }];

  test.each<[string, Command, string, Items?]>([
    ["a transfer of exactly the limit", transfer("a", "b", amount("25")), "ok"],
    ["a transfer above it", transfer("a", "b", amount("26")), "TRANSFER_LIMIT"],
    ["a withdrawal above it", withdraw("a", amount("26")), "TRANSFER_LIMIT"],
    ["a transfer within it, above the wallet's", transfer("own", "b", amount("6")), "WALLET_LIMIT"],
    ["a transfer above both", transfer("own", "b", amount("26")), "TRANSFER_LIMIT"],
    ["a funding", fund("a", amount("1000")), "ok"],
    [
      "legs out of one wallet that exceed it together",
      { kind: "post", legs: [leg("a", "b", "13"), leg("a", "c", "13"), leg("b", "a", "13")] },
      "TRANSFER_LIMIT",
    ],
    [
      "legs out of several wallets, each within it",
      { kind: "post", legs: [leg("a", "b", "25"), leg("b", "c", "25"), leg("c", "a", "25")] },
      "ok",
    ],
    [
      "a hold above it",
      { kind: "placeHold", holdId: "h", walletId: "a", amount: amount("26"), expireTimeMs },
      "TRANSFER_LIMIT",
    ],
    [
      "the capture of a hold that was placed before there was a limit",
      { kind: "captureHold", holdId: "h", payments, keepRemaining: false },
      "ok",
      holdOf("40"),
    ],
    [
      "the sweep at closing",
      { kind: "closeWallet", walletId: "closing", sweepTo: { walletId: "b" }, reason: "" },
      "ok",
    ],
  ])("%s", (_, command, expected, items) => {
    const wallets = all.map((one) =>
      items && one.id === "a" ? { ...one, held: amount("40") } : one,
    );
    const outcome = decideOn(wallets, command, items);
    expect("refusal" in outcome ? outcome.refusal.reason : "ok").toBe(expected);
  });

  test("a reversal is not limited", () => {
    const legs = [{ ...leg("a", "b", "90"), currency: "JPY" }];
    const transaction: PostedTransaction = { legs, isReversal: false };
    const command: Command = { kind: "reverseTransaction", transactionId: "t", legs: [] };
    expect("decision" in decideOn(all, command, { transaction })).toBe(true);
  });
});

describe("limits", () => {
  const limited = wallet("a", "100", { transferLimit: amount("5") });
  const all = [limited, wallet("b", "100")];
  const expireTimeMs = nowMs + 1_000;

  test.each<[string, Command, string]>([
    ["a transfer of exactly the limit", transfer("a", "b", amount("5")), "ok"],
    ["a transfer above it", transfer("a", "b", amount("5.0001")), "WALLET_LIMIT"],
    ["a withdrawal above it", withdraw("a", amount("5.0001")), "WALLET_LIMIT"],
    ["what comes in", transfer("b", "a", amount("50")), "ok"],
    [
      "a hold of exactly the limit",
      { kind: "placeHold", holdId: "h", walletId: "a", amount: amount("5"), expireTimeMs },
      "ok",
    ],
    [
      "a hold above it",
      { kind: "placeHold", holdId: "h", walletId: "a", amount: amount("5.0001"), expireTimeMs },
      "WALLET_LIMIT",
    ],
    [
      "the sweep at closing",
      { kind: "closeWallet", walletId: "a", sweepTo: { walletId: "b" }, reason: "" },
      "ok",
    ],
  ])("%s", (_, command, expected) => {
    const outcome = decideOn(all, command);
    expect("refusal" in outcome ? outcome.refusal.reason : "ok").toBe(expected);
  });
});
