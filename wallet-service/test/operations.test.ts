import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { HoldStatus, WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { FreezeScope } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { errorReason } from "@pelikuni/runtime/rpc-errors";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
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

describe("holds", () => {
  test("a hold sets money aside; more than is left of it is refused, and it stays open", async () => {
    const [walletId, shop] = [await bed.wallet("100"), await bed.wallet()];
    const expireTime = timestampFromMs(bed.nowMs() + 60_000);
    const placed = await bed.here.placeHold({ walletId, amount: "60", expireTime });
    expect(placed.wallet).toMatchObject({ balance: "100.0000", held: "60.0000", version: 2n });
    expect(placed.hold).toMatchObject({
      walletId,
      currency: "USD",
      amount: "60.0000",
      captured: "0.0000",
      remaining: "60.0000",
      status: HoldStatus.OPEN,
      createTime: placed.receipt?.occurredAt,
      expireTime,
    });
    const holdId = placed.hold?.id ?? "";
    const payments = [{ to: ofWallet(shop), amount: "60.0001" }];
    const tooMuch = bed.there.captureHold({ holdId, payments });
    expect(await reasonOf(tooMuch)).toBe("HOLD_AMOUNT_EXCEEDED");
    expect((await bed.there.getHold({ holdId })).hold).toEqual(placed.hold);
    expect(await moneyOf(walletId)).toEqual(["100.0000", "60.0000", "40.0000"]);
  });

  test("a partial capture pays and releases the rest in the same event", async () => {
    const [walletId, shop] = [await bed.wallet("100"), await bed.wallet()];
    const holdId = await bed.hold(walletId, "60");
    const payments = [
      { to: ofWallet(shop), amount: "24" },
      { to: ofAccount("fees"), amount: "1" },
    ];
    const { hold, wallets, receipt } = await bed.there.captureHold({ holdId, payments });
    expect(hold).toMatchObject({
      captured: "25.0000",
      remaining: "0.0000",
      status: HoldStatus.CAPTURED,
    });
    expect(wallets).toMatchObject([
      { id: walletId, balance: "75.0000", held: "0.0000", available: "75.0000", version: 3n },
      { id: shop, balance: "24.0000", version: 1n },
    ]);
    const next = await bed.here.fundWallet({ walletId, amount: "1" });
    expect(next.receipt?.position).toBe((receipt?.position ?? 0n) + 1n);
  });

  test("with keep_remaining the hold stays open with the rest, until nothing is left", async () => {
    const [walletId, shop] = [await bed.wallet("100"), await bed.wallet()];
    const holdId = await bed.hold(walletId, "60");
    const pay = (amount: string, keepRemaining: boolean) => {
      return bed.there.captureHold({
        holdId,
        payments: [{ to: ofWallet(shop), amount }],
        keepRemaining,
      });
    };
    const { hold } = await pay("25", true);
    expect(hold).toMatchObject({ remaining: "35.0000", status: HoldStatus.OPEN });
    expect(await moneyOf(walletId)).toEqual(["75.0000", "35.0000", "40.0000"]);
    expect((await pay("35", true)).hold).toMatchObject({
      captured: "60.0000",
      remaining: "0.0000",
      status: HoldStatus.CAPTURED,
    });
    expect(await reasonOf(pay("1", true))).toBe("HOLD_CAPTURED");
    expect(await moneyOf(walletId)).toEqual(["40.0000", "0.0000", "40.0000"]);
  });

  test("released twice: the same request_id gets the first answer, another one HOLD_RELEASED", async () => {
    const walletId = await bed.wallet("100");
    const holdId = await bed.hold(walletId, "60");
    const requestId = `release ${holdId}`;
    const released = await bed.here.releaseHold({ holdId, requestId });
    expect(released.hold?.status).toBe(HoldStatus.RELEASED);
    expect(await bed.there.releaseHold({ holdId, requestId })).toEqual(released);
    expect(await reasonOf(bed.there.releaseHold({ holdId }))).toBe("HOLD_RELEASED");
    expect(await moneyOf(walletId)).toEqual(["100.0000", "0.0000", "100.0000"]);
  });

  test("nothing is captured from expire_time on, swept or not; what is due counts until then", async () => {
    const [walletId, shop] = [await bed.wallet("100"), await bed.wallet()];
    const holdId = await bed.hold(walletId, "60", 5_000);
    const capture = () => {
      return bed.there.captureHold({ holdId, payments: [{ to: ofWallet(shop), amount: "1" }] });
    };
    bed.advance(5_000);
    expect(await reasonOf(capture())).toBe("HOLD_EXPIRED");
    const status = async () => (await bed.here.getHold({ holdId })).hold?.status;
    await expect.poll(status, { timeout: 10_000 }).toBe(HoldStatus.EXPIRED);
    expect(await reasonOf(capture())).toBe("HOLD_EXPIRED");
    expect(await reasonOf(bed.there.releaseHold({ holdId }))).toBe("HOLD_EXPIRED");
    expect(await moneyOf(walletId)).toEqual(["100.0000", "0.0000", "100.0000"]);
  });

  test("the holds of a wallet are listed newest first, page by page, by status if asked", async () => {
    const walletId = await bed.wallet("100");
    const ids: string[] = [];
    for (let count = 0; count < 7; count += 1) ids.unshift(await bed.hold(walletId, "1"));
    await bed.hold(await bed.wallet("1"), "1");
    const [, second = "", , fourth = ""] = ids;
    for (const holdId of [second, fourth]) await bed.here.releaseHold({ holdId });
    const listed = async (status: HoldStatus) => {
      const found: string[] = [];
      let pageToken = "";
      do {
        const page = await bed.there.listHolds({ walletId, status, pageSize: 2, pageToken });
        expect(page.holds.length).toBeLessThanOrEqual(2);
        found.push(...page.holds.map(({ id }) => id));
        pageToken = page.nextPageToken;
      } while (pageToken !== "");
      return found;
    };
    expect(await listed(HoldStatus.UNSPECIFIED)).toEqual(ids);
    expect(await listed(HoldStatus.RELEASED)).toEqual([second, fourth]);
    expect(await listed(HoldStatus.OPEN)).toEqual(
      ids.filter((id) => id !== second && id !== fourth),
    );
    expect(await listed(HoldStatus.CAPTURED)).toEqual([]);
    const wrong = bed.here.listHolds({ walletId, pageToken: "x" });
    expect(await reasonOf(wrong)).toBe("INVALID_FIELD");
  });
});

describe("freezing and closing", () => {
  test("frozen OUTGOING: money comes in, none goes out; holds are released and expire", async () => {
    const [walletId, other] = [await bed.wallet("100"), await bed.wallet("5")];
    const released = await bed.hold(walletId, "10");
    const expiring = await bed.hold(walletId, "10", 3_000);
    const { wallet } = await bed.here.freezeWallet({ walletId, scope: FreezeScope.OUTGOING });
    expect(wallet?.status).toBe(WalletStatus.FROZEN_OUTGOING);
    await bed.there.transfer({ fromWalletId: other, toWalletId: walletId, amount: "5" });
    await bed.there.fundWallet({ walletId, amount: "5" });
    const out = bed.there.withdraw({ walletId, amount: "1" });
    expect(await reasonOf(out)).toBe("WALLET_FROZEN");
    await bed.there.releaseHold({ holdId: released });
    bed.advance(3_000);
    const status = async () => (await bed.here.getHold({ holdId: expiring })).hold?.status;
    await expect.poll(status, { timeout: 10_000 }).toBe(HoldStatus.EXPIRED);
    expect(await moneyOf(walletId)).toEqual(["110.0000", "0.0000", "110.0000"]);
  });

  test("frozen further, less, and unfrozen: each is recorded, and then money moves", async () => {
    const walletId = await bed.wallet("10");
    const all = await bed.here.freezeWallet({ walletId, reason: "a court asks" });
    expect(all.wallet).toMatchObject({ status: WalletStatus.FROZEN, version: 2n });
    expect(await reasonOf(bed.there.fundWallet({ walletId, amount: "1" }))).toBe("WALLET_FROZEN");
    const less = await bed.there.freezeWallet({ walletId, scope: FreezeScope.OUTGOING });
    expect(less.wallet).toMatchObject({ status: WalletStatus.FROZEN_OUTGOING, version: 3n });
    const active = await bed.here.unfreezeWallet({ walletId });
    expect(active.wallet).toMatchObject({ status: WalletStatus.ACTIVE, version: 4n });
    expect((await bed.here.unfreezeWallet({ walletId })).wallet?.version).toBe(5n);
    await bed.there.withdraw({ walletId, amount: "10" });
  });

  test("closing moves the money away in the same event; an empty wallet needs no place for it", async () => {
    const [walletId, other] = [await bed.wallet("10"), await bed.wallet()];
    const { wallets } = await bed.here.closeWallet({ walletId, sweepTo: ofWallet(other) });
    expect(wallets).toMatchObject([
      { id: walletId, balance: "0.0000", status: WalletStatus.CLOSED, version: 2n },
      { id: other, balance: "10.0000", status: WalletStatus.ACTIVE, version: 1n },
    ]);
    const empty = await bed.wallet();
    const closed = await bed.here.closeWallet({ walletId: empty, sweepTo: ofWallet(other) });
    expect(closed.wallets.map(({ id }) => id)).toEqual([empty]);
    await bed.here.freezeWallet({ walletId: other });
    const frozen = await bed.wallet();
    await bed.here.freezeWallet({ walletId: frozen });
    const [gone] = (await bed.here.closeWallet({ walletId: frozen })).wallets;
    expect(gone?.status).toBe(WalletStatus.CLOSED);
  });
});

describe("posted transactions and reversals", () => {
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
});

describe("settings and currencies", () => {
  test("an update changes what its mask names, and leaves the rest", async () => {
    const walletId = await bed.wallet("10");
    const update = (paths: string[], settings: object) => {
      return bed.here.updateWallet({ walletId, settings, updateMask: { paths } });
    };
    const all = { metadata: { tier: "gold" }, limits: { singleTransferMax: "5" } };
    const first = await update(["metadata", "limits"], all);
    expect(first.settings).toMatchObject({
      metadata: { tier: "gold" },
      limits: { singleTransferMax: "5.0000" },
    });
    expect(first.wallet?.version).toBe(2n);
    const raised = await update(["limits.single_transfer_max"], {
      limits: { singleTransferMax: "7" },
      metadata: { ignored: "yes" },
    });
    expect(raised.settings?.metadata).toEqual({ tier: "gold" });
    expect(raised.settings?.limits?.singleTransferMax).toBe("7.0000");
    const renamed = await update(["metadata"], { metadata: { a: "1", b: "2" } });
    expect(renamed.settings?.metadata).toEqual({ a: "1", b: "2" });
    expect((await bed.there.getWallet({ walletId })).settings).toEqual(renamed.settings);
    const unlimited = await update(["limits"], {});
    expect(unlimited.settings?.limits).toBeUndefined();
    const emptied = await update(["metadata"], {});
    expect(emptied.settings?.metadata).toEqual({});
    await bed.there.withdraw({ walletId, amount: "10" });
  });

  test("updates of several settings at once, here and there, lose nothing", async () => {
    const walletId = await bed.wallet();
    const updates = Array.from({ length: 40 }, (_, index) => {
      const to = index % 3 === 0 ? bed.there : bed.here;
      const isMetadata = index % 2 === 0;
      return to.updateWallet({
        walletId,
        settings: isMetadata
          ? { metadata: { last: `${index}` } }
          : { limits: { singleTransferMax: `${index}` } },
        updateMask: { paths: [isMetadata ? "metadata" : "limits"] },
      });
    });
    const answers = (await Promise.all(updates)).toSorted((one, other) =>
      Number((one.wallet?.version ?? 0n) - (other.wallet?.version ?? 0n)),
    );
    const [before, ...rest] = answers;
    let known = before?.settings;
    for (const { settings } of rest) {
      // Each changes one of both and finds the other as it was left.
      const sameMetadata = JSON.stringify(settings?.metadata) === JSON.stringify(known?.metadata);
      const sameLimit = settings?.limits?.singleTransferMax === known?.limits?.singleTransferMax;
      expect([sameMetadata, sameLimit].filter(Boolean).length).toBe(1);
      known = settings;
    }
    expect((await bed.there.getWallet({ walletId })).settings).toEqual(known);
  });

  test("the limit binds what a caller starts, netted; not captures, reversals and sweeps", async () => {
    const [walletId, other] = [await bed.wallet("100"), await bed.wallet("100")];
    const big = { fromWalletId: other, toWalletId: walletId, amount: "20" };
    const { receipt } = await bed.here.transfer(big);
    const holdId = await bed.hold(walletId, "20");
    const settings = { limits: { singleTransferMax: "5" } };
    await bed.here.updateWallet({ walletId, settings, updateMask: { paths: ["limits"] } });
    await bed.there.withdraw({ walletId, amount: "5" });
    const legs = [
      { from: ofWallet(walletId), to: ofWallet(other), amount: "8" },
      { from: ofWallet(other), to: ofWallet(walletId), amount: "4" },
    ];
    await bed.there.postTransaction({ legs });
    await bed.there.captureHold({ holdId, payments: [{ to: ofWallet(other), amount: "20" }] });
    await bed.there.reverseTransaction({ transactionId: receipt?.transactionId ?? "" });
    await bed.there.closeWallet({ walletId, sweepTo: ofWallet(other) });
  });

  test.each([
    ["JPY", "10", "10.0000"],
    ["JPY", "10.0000", "10.0000"],
    ["KWD", "1.234", "1.2340"],
    ["KWD", "1.2340", "1.2340"],
    ["USD", "0.0001", "0.0001"],
  ])("%s %s is an amount", async (currency, amount, balance) => {
    const walletId = await bed.wallet("", currency);
    const { wallet } = await bed.there.fundWallet({ walletId, amount });
    expect(wallet).toMatchObject({ currency, balance });
  });

  test("currencies and accounts are listed as configured, in order", async () => {
    const { currencies } = await bed.here.listCurrencies({});
    expect(currencies.map(({ code, decimals }) => [code, decimals])).toEqual([
      ["EUR", 4],
      ["JPY", 0],
      ["KWD", 3],
      ["USD", 4],
    ]);
    const { accounts } = await bed.here.listAccounts({});
    expect(accounts).toEqual(["bank", "external", "fees", "fx"]);
  });
});
