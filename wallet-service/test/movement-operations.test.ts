import { errorReason } from "@pelikuni/runtime/rpc-errors";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  errorOf,
  type OperationsBed,
  ofAccount,
  ofWallet,
  startOperationsBed,
} from "./operations-bed.ts";

let bed: OperationsBed;
beforeAll(async () => {
  bed = await startOperationsBed();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

async function walletOf(walletId: string) {
  const { wallet } = await bed.there.getWallet({ walletId });
  if (wallet === undefined) throw new Error("A wallet is missing from the answer.");
  return wallet;
}

async function moneyOf(walletId: string): Promise<string[]> {
  const { balance, held, available } = await walletOf(walletId);
  return [balance, held, available];
}

async function reasonOf(call: Promise<unknown>): Promise<string | undefined> {
  return errorReason(await errorOf(call));
}

test("an exchange moves both currencies at once, and its reversal the original amounts", async () => {
  const [dollars, euros] = [await bed.wallet("108.42"), await bed.wallet("", "EUR")];
  const legs = [
    { from: ofWallet(dollars), to: ofAccount("fx"), amount: "108.42" },
    { from: ofAccount("fx"), to: ofWallet(euros), amount: "100" },
  ];
  const exchange = { rate: "1.0842", quoteId: "q17" };
  const posted = await bed.here.postTransaction({ legs, exchange });
  expect(posted.wallets).toMatchObject([
    { id: dollars, balance: "0.0000", version: 2n },
    { id: euros, balance: "100.0000", currency: "EUR", version: 1n },
  ]);
  const transactionId = posted.receipt?.transactionId ?? "";
  const reversed = await bed.there.reverseTransaction({ transactionId });
  expect(reversed.wallets).toMatchObject([
    { id: dollars, balance: "108.4200" },
    { id: euros, balance: "0.0000" },
  ]);
  expect(reversed.reversal).toMatchObject({
    transactionId,
    legs: [
      { index: 0, amount: "108.4200" },
      { index: 1, amount: "100.0000" },
    ],
  });
});

test("a wallet in several legs is netted; only its final balance counts", async () => {
  const [one, two, three] = [await bed.wallet("5"), await bed.wallet(), await bed.wallet()];
  const legs = [
    { from: ofWallet(one), to: ofWallet(two), amount: "7" },
    { from: ofWallet(two), to: ofWallet(three), amount: "4" },
    { from: ofWallet(three), to: ofWallet(one), amount: "3" },
  ];
  const expectedVersions = [
    { walletId: one.toUpperCase(), version: 1n },
    { walletId: three, version: 0n },
  ];
  const { wallets } = await bed.here.postTransaction({ legs, expectedVersions });
  expect(wallets.map(({ balance, version }) => [balance, version])).toEqual([
    ["1.0000", 2n],
    ["3.0000", 1n],
    ["1.0000", 1n],
  ]);
  const twice = [...expectedVersions, { walletId: one, version: 2n }];
  const wrong = bed.here.postTransaction({ legs, expectedVersions: twice });
  expect(await reasonOf(wrong)).toBe("INVALID_FIELD");
  const strange = [{ walletId: await bed.wallet(), version: 0n }];
  const other = bed.here.postTransaction({ legs, expectedVersions: strange });
  expect(await reasonOf(other)).toBe("INVALID_FIELD");
});

test("reversed in parts, up to the amount of the leg and not further", async () => {
  const [from, to] = [await bed.wallet("10"), await bed.wallet()];
  const transfer = { fromWalletId: from, toWalletId: to, amount: "10" };
  const { receipt } = await bed.here.transfer(transfer);
  const transactionId = receipt?.transactionId ?? "";
  const reverse = (amount?: string) => {
    const legs = amount === undefined ? [] : [{ index: 0, amount }];
    return bed.there.reverseTransaction({ transactionId, legs });
  };
  await reverse("3");
  expect(await reasonOf(reverse("7.0001"))).toBe("ALREADY_REVERSED");
  const { reversal } = await reverse();
  expect(reversal?.legs).toMatchObject([{ index: 0, amount: "7.0000" }]);
  expect(await reasonOf(reverse())).toBe("ALREADY_REVERSED");
  expect(await moneyOf(from)).toEqual(["10.0000", "0.0000", "10.0000"]);
  const legs = ["1", "1"].map((amount) => ({ index: 0, amount }));
  const twice = bed.here.reverseTransaction({ transactionId, legs });
  expect(await reasonOf(twice)).toBe("INVALID_FIELD");
});

test("what the receiver has spent, the shortfall account pays: in one event, without his holds", async () => {
  const [from, to] = [await bed.wallet("10"), await bed.wallet()];
  const transfer = { fromWalletId: from, toWalletId: to, amount: "10" };
  const { receipt } = await bed.here.transfer(transfer);
  await bed.here.withdraw({ walletId: to, amount: "5" });
  await bed.hold(to, "2");
  const transactionId = receipt?.transactionId ?? "";
  const alone = bed.there.reverseTransaction({ transactionId });
  expect(await reasonOf(alone)).toBe("INSUFFICIENT_BALANCE");
  const shortfallAccount = "fees";
  const { wallets } = await bed.there.reverseTransaction({ transactionId, shortfallAccount });
  expect(wallets).toMatchObject([
    { id: to, balance: "2.0000", held: "2.0000" },
    { id: from, balance: "10.0000" },
  ]);
});

test("the shortfall account pays nothing that the same reversal brings a wallet", async () => {
  const [one, two, three] = [await bed.wallet("10"), await bed.wallet(), await bed.wallet()];
  const legs = [
    { from: ofWallet(one), to: ofWallet(two), amount: "10" },
    { from: ofWallet(two), to: ofWallet(three), amount: "10" },
  ];
  const { receipt } = await bed.here.postTransaction({ legs });
  const transactionId = receipt?.transactionId ?? "";
  await bed.there.reverseTransaction({ transactionId, shortfallAccount: "fees" });
  expect((await walletOf(one)).balance).toBe("10.0000");
  expect((await walletOf(two)).balance).toBe("0.0000");
  expect((await walletOf(three)).balance).toBe("0.0000");
});

test("a payout that comes back is reversed, or funded by its reference, and acts once", async () => {
  const walletId = await bed.wallet("10");
  await bed.here.withdraw({ walletId, amount: "10", destination: "bank" });
  const details = { reference: "return of payout 17" };
  const request = { walletId, amount: "10", source: "bank", details };
  await bed.here.fundWallet(request);
  expect(await reasonOf(bed.there.fundWallet(request))).toBe("REFERENCE_ALREADY_USED");
  // The reference names the payment of one account: another one's is another payment.
  await bed.there.fundWallet({ ...request, source: "external" });
  expect((await walletOf(walletId)).balance).toBe("20.0000");
});

test("of a burst with one used reference each is refused, and what stands beside goes on", async () => {
  const walletId = await bed.wallet();
  const funding = { walletId, amount: "1", source: "bank", details: { reference: "burst" } };
  await bed.here.fundWallet(funding);
  const calls = Array.from({ length: 30 }, (_, index) => {
    return index % 3 === 0
      ? bed.there.fundWallet({ walletId, amount: "1" }).then(() => "funded")
      : reasonOf(bed.there.fundWallet(funding));
  });
  const outcomes = await Promise.all(calls);
  expect(outcomes.filter((one) => one === "funded").length).toBe(10);
  expect(outcomes.filter((one) => one === "REFERENCE_ALREADY_USED").length).toBe(20);
  expect((await walletOf(walletId)).balance).toBe("11.0000");
});
