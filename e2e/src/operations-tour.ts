import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { HoldStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import type { Receipt } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { vi } from "vitest";
import type { WalletClient } from "./wallet-caller.ts";

/** Where in the journal each operation of the tour stands. */
export type TourStop =
  | "withdrawal"
  | "split"
  | "firstRefund"
  | "lastRefund"
  | "shortfall"
  | "placed"
  | "keptCapture"
  | "capture"
  | "released"
  | "expired"
  | "limited"
  | "frozen"
  | "unfrozen"
  | "sweep";

/** The tour's positions. */
export type Tour = Readonly<Record<TourStop, bigint>>;

const holdMs = 300;

/** Does every operation once, one after the other. */
export async function tourOperations(client: WalletClient): Promise<Tour> {
  const payer = await fundedWallet(client, "1000");
  const shop = await fundedWallet(client, "50");
  return {
    ...(await tourTransactions(client, payer, shop)),
    ...(await tourHolds(client, payer, shop)),
    ...(await tourWallet(client, payer)),
  };
}

async function tourTransactions(
  client: WalletClient,
  payer: string,
  shop: string,
): Promise<Pick<Tour, "withdrawal" | "split" | "firstRefund" | "lastRefund" | "shortfall">> {
  const details = { reference: "order 1", description: "a table", metadata: { shop: "12" } };
  const withdrawal = await client.withdraw({ walletId: payer, amount: "5", details });
  const split = await client.postTransaction({
    legs: [
      { from: wallet(payer), to: wallet(shop), amount: "90" },
      { from: wallet(shop), to: account("fees"), amount: "9" },
    ],
    details,
  });
  const { transactionId = "" } = split.receipt ?? {};
  const legs = [
    { index: 0, amount: "30" },
    { index: 1, amount: "3" },
  ];
  const first = await client.reverseTransaction({ transactionId, legs });
  const rest = await client.reverseTransaction({ transactionId });
  const spender = await fundedWallet(client, "1");
  const paid = await client.transfer({ fromWalletId: payer, toWalletId: spender, amount: "7" });
  await client.withdraw({ walletId: spender, amount: "6" });
  const shortfall = await client.reverseTransaction({
    transactionId: paid.receipt?.transactionId ?? "",
    shortfallAccount: "fees",
  });
  return {
    withdrawal: positionOf(withdrawal),
    split: positionOf(split),
    firstRefund: positionOf(first),
    lastRefund: positionOf(rest),
    shortfall: positionOf(shortfall),
  };
}

async function tourHolds(
  client: WalletClient,
  payer: string,
  shop: string,
): Promise<Pick<Tour, "placed" | "keptCapture" | "capture" | "released" | "expired">> {
  const later = timestampFromMs(Date.now() + 3_600_000);
  const place = async (amount: string, expireTime = later): Promise<[string, bigint]> => {
    const placed = await client.placeHold({ walletId: payer, amount, expireTime });
    return [placed.hold?.id ?? "", positionOf(placed)];
  };
  const [holdId, position] = await place("60");
  const payments = [{ to: wallet(shop), amount: "25" }];
  const kept = await client.captureHold({ holdId, payments, keepRemaining: true });
  const capture = await client.captureHold({ holdId, payments });
  const [toRelease] = await place("10");
  const released = await client.releaseHold({ holdId: toRelease });
  const [toExpire] = await place("10", timestampFromMs(Date.now() + holdMs));
  const hasExpired = async (): Promise<boolean> => {
    const { hold } = await client.getHold({ holdId: toExpire });
    return hold?.status === HoldStatus.EXPIRED;
  };
  await vi.waitUntil(hasExpired, { timeout: 15_000 });
  // The sweep's event stands right before the next one.
  const next = await client.fundWallet({ walletId: payer, amount: "1" });
  return {
    placed: position,
    keptCapture: positionOf(kept),
    capture: positionOf(capture),
    released: positionOf(released),
    expired: positionOf(next) - 1n,
  };
}

async function tourWallet(
  client: WalletClient,
  walletId: string,
): Promise<Pick<Tour, "limited" | "frozen" | "unfrozen" | "sweep">> {
  const limited = await client.updateWallet({
    walletId,
    settings: { metadata: { tier: "gold" }, limits: { singleTransferMax: "100" } },
    updateMask: { paths: ["metadata", "limits"] },
  });
  await client.withdraw({ walletId, amount: "100" });
  const frozen = await client.freezeWallet({ walletId, reason: "lost phone" });
  const unfrozen = await client.unfreezeWallet({ walletId });
  const sweep = await client.closeWallet({ walletId, sweepTo: account("bank") });
  return {
    limited: positionOf(limited),
    frozen: positionOf(frozen),
    unfrozen: positionOf(unfrozen),
    sweep: positionOf(sweep),
  };
}

async function fundedWallet(client: WalletClient, amount: string): Promise<string> {
  const { wallet: created } = await client.createWallet({ userId: "somebody" });
  const walletId = created?.id ?? "";
  const details = { reference: `salary of ${walletId}` };
  await client.fundWallet({ walletId, amount, details });
  return walletId;
}

function wallet(value: string): { readonly side: { case: "walletId"; value: string } } {
  return { side: { case: "walletId", value } };
}

function account(value: string): { readonly side: { case: "account"; value: string } } {
  return { side: { case: "account", value } };
}

function positionOf({ receipt }: { readonly receipt?: Receipt | undefined }): bigint {
  return receipt?.position ?? 0n;
}
