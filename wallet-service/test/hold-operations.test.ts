import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { HoldStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
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
  expect(await listed(HoldStatus.OPEN)).toEqual(ids.filter((id) => id !== second && id !== fourth));
  expect(await listed(HoldStatus.CAPTURED)).toEqual([]);
  const wrong = bed.here.listHolds({ walletId, pageToken: "x" });
  expect(await reasonOf(wrong)).toBe("INVALID_FIELD");
});
