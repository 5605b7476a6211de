import { Code } from "@connectrpc/connect";
import { FreezeScope } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { type OperationsBed, ofAccount, ofWallet } from "./operations-bed.ts";
import {
  anHourFrom,
  capture,
  frozenWallet,
  type Row,
  row,
  transfer,
  transferred,
} from "./refusal-row.ts";

const { InvalidArgument, FailedPrecondition } = Code;
const insufficient = row("INSUFFICIENT_BALANCE", FailedPrecondition, "Insufficient balance");
const frozen = row("WALLET_FROZEN", FailedPrecondition, /frozen; unfreeze it first/);
const closed = row("WALLET_CLOSED", FailedPrecondition, /closed for good; use another/);
const limit = row("WALLET_LIMIT", FailedPrecondition, /at most 5.0000 at once; use a smaller/);
const transferLimit = row(
  "TRANSFER_LIMIT",
  FailedPrecondition,
  "At most 1000.0000 KWD may leave a wallet at once; use a smaller amount " +
    "(the operator sets transfer_amount_max of the currency)",
);
const badField = row("INVALID_FIELD", InvalidArgument, /^\w+: must name one or more of/);

async function closedWallet(bed: OperationsBed): Promise<string> {
  const walletId = await bed.wallet();
  await bed.here.closeWallet({ walletId });
  return walletId;
}

async function limitedWallet(bed: OperationsBed): Promise<string> {
  const walletId = await bed.wallet("100");
  const settings = { limits: { singleTransferMax: "5" } };
  await bed.here.updateWallet({ walletId, settings, updateMask: { paths: ["limits"] } });
  return walletId;
}

/** What is refused for the state of a wallet. */
export const refusedWallets: readonly Row[] = [
  insufficient("money that is held", async (bed) => {
    const from = await bed.wallet("10");
    const to = await bed.wallet();
    await bed.hold(from, "8");
    return { call: () => transfer(bed, [from, to], "2.0001"), metadata: { wallet_id: from } };
  }),
  insufficient("a hold beyond what is available", async (bed) => {
    const walletId = await bed.wallet("10");
    await bed.hold(walletId, "8");
    const request = { walletId, amount: "2.0001", expireTime: anHourFrom(bed) };
    return { call: () => bed.there.placeHold(request), metadata: { wallet_id: walletId } };
  }),
  insufficient("a reversal whose receiver has spent it", async (bed) => {
    const { to, id: transactionId } = await transferred(bed, "10");
    await bed.here.withdraw({ walletId: to, amount: "7" });
    return {
      call: () => bed.there.reverseTransaction({ transactionId }),
      metadata: { wallet_id: to },
    };
  }),
  frozen("a transfer from it", async (bed) => {
    const from = await frozenWallet(bed, FreezeScope.OUTGOING);
    const to = await bed.wallet();
    return { call: () => transfer(bed, [from, to]), metadata: { wallet_id: from } };
  }),
  frozen("a transfer into a fully frozen one", async (bed) => {
    const to = await frozenWallet(bed, FreezeScope.ALL);
    const from = await bed.wallet("1");
    return { call: () => transfer(bed, [from, to]), metadata: { wallet_id: to } };
  }),
  frozen("a hold", async (bed) => {
    const walletId = await frozenWallet(bed, FreezeScope.OUTGOING);
    const request = { walletId, amount: "1", expireTime: anHourFrom(bed) };
    return { call: () => bed.there.placeHold(request), metadata: { wallet_id: walletId } };
  }),
  frozen("a capture", async (bed) => {
    const walletId = await bed.wallet("1");
    const holdId = await bed.hold(walletId, "1");
    await bed.here.freezeWallet({ walletId, scope: FreezeScope.OUTGOING });
    const to = await bed.wallet();
    return { call: () => capture(bed, holdId, to), metadata: { wallet_id: walletId } };
  }),
  frozen("a sweep", async (bed) => {
    const walletId = await frozenWallet(bed, FreezeScope.OUTGOING);
    const sweepTo = ofAccount("bank");
    const call = () => bed.there.closeWallet({ walletId, sweepTo });
    return { call, metadata: { wallet_id: walletId } };
  }),
  closed("a funding", async (bed) => {
    const walletId = await closedWallet(bed);
    const call = () => bed.there.fundWallet({ walletId, amount: "1" });
    return { call, metadata: { wallet_id: walletId } };
  }),
  closed("an update", async (bed) => {
    const walletId = await closedWallet(bed);
    const request = { walletId, settings: {}, updateMask: { paths: ["metadata"] } };
    return { call: () => bed.there.updateWallet(request), metadata: { wallet_id: walletId } };
  }),
  closed("unfreezing", async (bed) => {
    const walletId = await closedWallet(bed);
    return {
      call: () => bed.there.unfreezeWallet({ walletId }),
      metadata: { wallet_id: walletId },
    };
  }),
  closed("closing once more", async (bed) => {
    const walletId = await closedWallet(bed);
    return { call: () => bed.there.closeWallet({ walletId }), metadata: { wallet_id: walletId } };
  }),
  row(
    "WALLET_NOT_EMPTY",
    FailedPrecondition,
    /move it away first, or say where it goes/,
  )("closing with money", async (bed) => {
    const walletId = await bed.wallet("1");
    return {
      call: () => bed.there.closeWallet({ walletId }),
      metadata: { wallet_id: walletId },
    };
  }),
  row(
    "OPEN_HOLDS",
    FailedPrecondition,
    /capture or release them first/,
  )("a sweep", async (bed) => {
    const walletId = await bed.wallet("1");
    await bed.hold(walletId, "1");
    const call = () => bed.there.closeWallet({ walletId, sweepTo: ofAccount("bank") });
    return { call, metadata: { wallet_id: walletId } };
  }),
  limit("a transfer", async (bed) => {
    const from = await limitedWallet(bed);
    const to = await bed.wallet();
    return { call: () => transfer(bed, [from, to], "5.0001"), metadata: { wallet_id: from } };
  }),
  transferLimit("a transfer", async (bed) => {
    const from = await bed.wallet("2000", "KWD");
    const to = await bed.wallet("", "KWD");
    return { call: () => transfer(bed, [from, to], "1000.001"), metadata: { wallet_id: from } };
  }),
  transferLimit("a hold", async (bed) => {
    const walletId = await bed.wallet("2000", "KWD");
    const request = { walletId, amount: "1000.001", expireTime: anHourFrom(bed) };
    return { call: () => bed.there.placeHold(request), metadata: { wallet_id: walletId } };
  }),
  limit("a hold", async (bed) => {
    const walletId = await limitedWallet(bed);
    const request = { walletId, amount: "5.0001", expireTime: anHourFrom(bed) };
    return { call: () => bed.there.placeHold(request), metadata: { wallet_id: walletId } };
  }),
  limit("several legs together", async (bed) => {
    const walletId = await limitedWallet(bed);
    const to = ofAccount("external");
    const legs = ["3", "3"].map((amount) => ({ from: ofWallet(walletId), to, amount }));
    return {
      call: () => bed.there.postTransaction({ legs }),
      metadata: { wallet_id: walletId },
    };
  }),
  badField("a mask that names nothing", async (bed) => {
    const walletId = await bed.wallet();
    return { call: () => bed.there.updateWallet({ walletId, updateMask: { paths: [] } }) };
  }),
  badField("a mask that names what is not there", async (bed) => {
    const walletId = await bed.wallet();
    return { call: () => bed.there.updateWallet({ walletId, updateMask: { paths: ["name"] } }) };
  }),
];
