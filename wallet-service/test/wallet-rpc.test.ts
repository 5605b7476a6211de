import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { v7 } from "uuid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Calls, createWallet, type ServiceBed, startServiceBed } from "./test-service.ts";

let bed: ServiceBed;
beforeAll(async () => {
  bed = await startServiceBed();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

describe.each(["grpc", "inProcess"] as const)("over %s", (way) => {
  let calls: Calls;
  beforeAll(() => {
    calls = bed[way];
  });

  test("a new wallet is empty, active, at version 0, in USD", async () => {
    const { receipt, wallet } = await calls.createWallet({ userId: "alice" });
    expect(wallet).toMatchObject({
      userId: "alice",
      currency: "USD",
      balance: "0.0000",
      held: "0.0000",
      available: "0.0000",
      status: WalletStatus.ACTIVE,
      version: 0n,
    });
    expect(wallet?.createTime).toEqual(receipt?.occurredAt);
    expect(wallet?.updateTime).toEqual(receipt?.occurredAt);
    expect(receipt?.transactionId).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("a transfer answers both wallets and a receipt, and reads see it at once", async () => {
    const from = await createWallet(calls, "alice", "100");
    const to = await createWallet(calls, "bob");
    const answer = await calls.transfer({
      fromWalletId: from.toUpperCase(),
      toWalletId: to,
      amount: "25.5",
    });
    expect(answer.fromWallet).toMatchObject({ id: from, balance: "74.5000", version: 2n });
    expect(answer.toWallet).toMatchObject({ id: to, balance: "25.5000", version: 1n });
    expect((await calls.getWallet({ walletId: to.toUpperCase() })).wallet).toEqual(answer.toWallet);
    expect((await calls.getWallet({ walletId: from })).wallet).toEqual(answer.fromWallet);
    const next = await calls.fundWallet({ walletId: to, amount: "1" });
    expect(next.receipt?.position).toBe((answer.receipt?.position ?? 0n) + 1n);
  });

  test("a repeated request_id gets the first answer again, on every mutation", async () => {
    const create = { userId: "alice", requestId: v7() };
    const created = await calls.createWallet(create);
    expect(await calls.createWallet(create)).toEqual(created);
    const walletId = created.wallet?.id ?? "";
    const funding = { walletId, amount: "10", requestId: v7() };
    const funded = await calls.fundWallet(funding);
    expect(await calls.fundWallet({ ...funding, amount: "10.0000" })).toEqual(funded);
    const other = await createWallet(calls, "bob");
    const transfer = {
      fromWalletId: walletId,
      toWalletId: other,
      amount: "10",
      requestId: v7(),
      expectedVersion: 1n,
    };
    const transferred = await calls.transfer(transfer);
    await calls.fundWallet({ walletId, amount: "3" });
    // The money is gone and the version has moved: the repeat is answered before both are looked at.
    expect(await calls.transfer(transfer)).toEqual(transferred);
    expect((await calls.getWallet({ walletId })).wallet?.balance).toBe("3.0000");
  });

  test("wallets are listed newest first, page by page, each once, while others are created", async () => {
    const userId = `pages over ${way}`;
    const ids: string[] = [];
    for (let count = 0; count < 7; count += 1) ids.unshift(await createWallet(calls, userId));
    const listed: string[] = [];
    let pageToken = "";
    do {
      const page = await calls.listWallets({ userId, pageSize: 3, pageToken });
      expect(page.wallets.length).toBeLessThanOrEqual(3);
      listed.push(...page.wallets.map(({ id }) => id));
      pageToken = page.nextPageToken;
      await createWallet(calls, userId);
    } while (pageToken !== "");
    expect(listed).toEqual(ids);
    const everybody = await calls.listWallets({ pageSize: 1_000 });
    expect(everybody.wallets.map(({ id }) => id)).toEqual(expect.arrayContaining(ids));
    expect((await calls.listWallets({ userId: "nobody" })).wallets).toEqual([]);
  });
});
