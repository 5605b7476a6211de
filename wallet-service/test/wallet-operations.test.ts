import { HoldStatus, WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { FreezeScope } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { errorReason } from "@pelikuni/runtime/rpc-errors";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { failureOf } from "../../e2e/src/call-failure.ts";
import { errorOf, type OperationsBed, ofWallet, startOperationsBed } from "./operations-bed.ts";

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

  test("the limit binds what a caller starts; not captures, reversals and sweeps", async () => {
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
    const netted = await failureOf(bed.there.postTransaction({ legs }));
    expect(netted.message).toContain("at most 5.0000");
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
    const told = currencies.map(({ code, decimals, transferAmountMax }) => {
      return [code, decimals, transferAmountMax];
    });
    expect(told).toEqual([
      ["EUR", 4, ""],
      ["JPY", 0, ""],
      ["KWD", 3, "1000.0000"],
      ["USD", 4, ""],
    ]);
    const { accounts } = await bed.here.listAccounts({});
    expect(accounts).toEqual(["bank", "external", "fees", "fx"]);
  });
});
