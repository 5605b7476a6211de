import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { ApiKeyService } from "@pelikuni/gen/auth/v1/api_key_service_pb";
import { HoldStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { withCredentials } from "@pelikuni/runtime/access/call-credentials";
import { createLogger } from "@pelikuni/runtime/logger";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AccessBed, alice, allScopes, startAccessBed } from "../src/access-bed.ts";
import { type Belongings, giveBelongings } from "../src/belongings.ts";

type Wallets = Client<typeof WalletService>;

const bob = "bobby";
const quiet = createLogger("test", { level: "silent", format: "json" });
/** What an answer holds of a wallet that the caller may not read. */
const unread = { userId: "", balance: "", held: "", available: "", version: 0n };

let bed: AccessBed;
let asAlice: Wallets;
let asBob: Wallets;
let operator: Wallets;
let alices: Belongings;
let bobs: Belongings;

beforeAll(async () => {
  bed = await startAccessBed();
  asAlice = walletsOf(await bed.people.userToken(alice));
  asBob = walletsOf(await bed.people.userToken(bob));
  operator = walletsOf(bed.operatorToken);
  bobs = await give(bob, "");
  alices = await give(alice, bobs.walletId);
});

afterAll(() => bed[Symbol.asyncDispose]());

describe("a transfer's answer", () => {
  test("shows a user her own wallet, and of the other one its id and currency alone", async () => {
    const { fromWallet, toWallet } = await asAlice.transfer(payment("1"));
    expect(fromWallet).toMatchObject({ id: alices.walletId, userId: alice, currency: "USD" });
    expect(fromWallet?.balance).toMatch(/^\d+\.\d{4}$/);
    expect(toWallet).toMatchObject({ id: bobs.walletId, currency: "USD", ...unread });
    expect(toWallet?.createTime).toBeUndefined();
    expect(toWallet?.updateTime).toBeUndefined();
  });

  test("shows both when they are her own", async () => {
    const { wallet: second } = await asAlice.createWallet({ userId: alice });
    const transfer = { ...payment("1"), toWalletId: second?.id ?? "" };
    const { toWallet } = await asAlice.transfer(transfer);
    expect(toWallet).toMatchObject({ userId: alice, balance: "1.0000", version: 1n });
  });

  test("shows no more when it is answered again, and in a batch", async () => {
    const transfer = { ...payment("1"), requestId: "again" };
    const first = await asAlice.transfer(transfer);
    expect(await asAlice.transfer(transfer)).toEqual(first);
    const { results } = await asAlice.batchTransfer({ transfers: [transfer, payment("2")] });
    for (const { result } of results) {
      if (result.case !== "transfer") throw new Error("A transfer was refused.");
      expect(result.value.toWallet).toMatchObject({ id: bobs.walletId, ...unread });
    }
  });

  test("shows neither to a machine that may transfer and not read", async () => {
    const scopes = ["transfers:write", "holds:write", "wallets:fund"];
    const machine = walletsOf(await bed.machines.machineToken("operator", { scopes }));
    const { fromWallet, toWallet } = await machine.transfer(payment("1"));
    expect([fromWallet, toWallet]).toMatchObject([unread, unread]);
    const { walletId } = alices;
    expect((await machine.fundWallet({ walletId, amount: "1" })).wallet).toMatchObject(unread);
    const released = await machine.releaseHold({ holdId: alices.holdId });
    expect(released.wallet).toMatchObject({ id: walletId, ...unread });
    expect(released.hold).toMatchObject({ walletId, status: HoldStatus.RELEASED });
  });

  test("over REST holds nothing of the receiver but id and currency, and no ETag", async () => {
    const answer = await fetch(`${bed.origin}/wallets/${alices.walletId}/transfer`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${await bed.people.userToken(alice)}`,
        "Content-Type": "application/json",
      },
      body: JSON.stringify({ to_wallet_id: bobs.walletId, amount: "1" }),
    });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ id: bobs.walletId, currency: "USD" });
    expect(answer.headers.get("etag")).toBeNull();
  });
});

describe("lists", () => {
  test("hold a user's own wallets, page by page, whoever else has some", async () => {
    const listed: string[] = [];
    let pageToken = "";
    do {
      const page = await asAlice.listWallets({ pageSize: 1, pageToken });
      listed.push(...page.wallets.map(({ userId }) => userId));
      ({ nextPageToken: pageToken } = page);
    } while (pageToken !== "");
    const { wallets: all } = await operator.listWallets({ pageSize: 1_000 });
    const own = all.filter(({ userId }) => userId === alice);
    expect(listed).toEqual(own.map(() => alice));
    expect(all.length).toBeGreaterThan(own.length);
  });
});

describe("a request_id", () => {
  test("of one caller neither collides with another's nor reveals what he did", async () => {
    const requestId = "the same";
    const hers = await asAlice.transfer({ ...payment("3"), requestId });
    const back = { fromWalletId: bobs.walletId, toWalletId: alices.walletId, amount: "4" };
    const his = await asBob.transfer({ ...back, requestId });
    const theirs = await operator.transfer({ ...payment("5"), requestId });
    const ids = [hers, his, theirs].map(({ receipt }) => receipt?.transactionId);
    expect(new Set(ids).size).toBe(3);
  });

  test("is shared by the programs of one caller", async () => {
    const transfer = { ...payment("1"), requestId: "by whichever program" };
    const first = await asAlice.transfer(transfer);
    const again = walletsOf(await bed.people.userToken(alice, { scopes: ["transfers:write"] }));
    expect((await again.transfer(transfer)).receipt).toEqual(first.receipt);
  });

  test("of another's transfer does not open his wallet", async () => {
    const requestId = "bob's own";
    const back = { fromWalletId: bobs.walletId, toWalletId: alices.walletId, amount: "1" };
    await asBob.transfer({ ...back, requestId });
    await expect(asAlice.transfer({ ...back, requestId })).rejects.toThrow("Wallet not found");
  });
});

describe("who owns a wallet", () => {
  test("is told by letters of either case in its id", async () => {
    const walletId = alices.walletId.toUpperCase();
    expect((await asAlice.getWallet({ walletId })).wallet?.id).toBe(alices.walletId);
    const foreign = asAlice.getWallet({ walletId: bobs.walletId.toUpperCase() });
    await expect(foreign).rejects.toThrow("Wallet not found");
  });

  test("is no machine, though the issuer of users calls it like one of them", async () => {
    const machine = walletsOf(await bed.people.machineToken(alice));
    const { walletId } = alices;
    await expect(machine.getWallet({ walletId })).rejects.toThrow("wallets:read");
    await expect(machine.transfer(payment("1"))).rejects.toThrow("transfers:write");
    await expect(machine.createWallet({ userId: alice })).rejects.toThrow("wallets:write");
  });

  test("is no API key, though its owner is called like one", async () => {
    const keys = createClient(ApiKeyService, as(bed.operatorToken));
    const { secret } = await keys.createApiKey({ owner: alice, scopes: ["wallets:fund"] });
    const { walletId } = alices;
    const machine = walletsOf(secret);
    await machine.fundWallet({ walletId, amount: "1" });
    await expect(machine.getWallet({ walletId })).rejects.toThrow("wallets:read");
  });

  test("is no user whose name differs in letters' case or a blank", async () => {
    for (const userId of ["Alice", "ALICE", "alice ", " alice", "alicé"]) {
      const other = walletsOf(await bed.people.userToken(userId));
      const read = other.getWallet({ walletId: alices.walletId });
      await expect(read, userId).rejects.toThrow("Wallet not found");
    }
  });
});

test("a revoked API key is refused", async () => {
  const keys = createClient(ApiKeyService, as(bed.operatorToken));
  const { apiKey, secret } = await keys.createApiKey({ owner: "shop", scopes: allScopes });
  const shop = walletsOf(secret);
  const { walletId } = alices;
  await shop.getWallet({ walletId });
  await keys.revokeApiKey({ id: apiKey?.id ?? "" });
  await expect(shop.getWallet({ walletId })).rejects.toThrow("no such API key");
});

/** From alice's wallet to bob's. */
function payment(amount: string): { fromWalletId: string; toWalletId: string; amount: string } {
  return { fromWalletId: alices.walletId, toWalletId: bobs.walletId, amount };
}

function as(token: string): Transport {
  return withCredentials(
    bed.history.walletTransport,
    { api_key: token },
    { now: Date.now, logger: quiet },
  );
}

function walletsOf(token: string): Wallets {
  return createClient(WalletService, as(token));
}

async function give(userId: string, receiverId: string): Promise<Belongings> {
  return await giveBelongings(bed.history.walletTransport, bed.asOperator, { userId, receiverId });
}
