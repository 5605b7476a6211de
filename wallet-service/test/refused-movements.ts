import { Code } from "@connectrpc/connect";
import { v7 } from "uuid";
import { ofAccount, ofWallet } from "./operations-bed.ts";
import { anHourFrom, capture, type Row, row, transfer, transferred } from "./refusal-row.ts";

const { InvalidArgument, NotFound, FailedPrecondition, Aborted, AlreadyExists } = Code;
const precision = row("AMOUNT_PRECISION", InvalidArgument, /JPY have at most 0 decimals; leave/);
const unknownAccount = row(
  "UNKNOWN_ACCOUNT",
  InvalidArgument,
  /"nowhere".* ListAccounts \(GET \/accounts\) names/,
);
const legWithoutWallet = row("LEG_WITHOUT_WALLET", InvalidArgument, /one side has to be a wallet/);
const sameWallet = row("SAME_WALLET", InvalidArgument, "Cannot transfer to the same wallet");
const walletNotFound = row("WALLET_NOT_FOUND", NotFound, "Wallet not found");
const conflict = row("VERSION_CONFLICT", Aborted, /version 1, not 7; read it again/);
const insufficientBalance = row("INSUFFICIENT_BALANCE", FailedPrecondition, "Insufficient balance");
const mismatch = row("CURRENCY_MISMATCH", FailedPrecondition, /wallets of one currency/);
const reused = row("REQUEST_ID_REUSED", AlreadyExists, /choose a new one/);
const overflow = row("BALANCE_LIMIT", FailedPrecondition, /use a smaller amount/);
const usedReference = row("REFERENCE_ALREADY_USED", AlreadyExists, /a reference of its own/);

/** Movements of money that are refused for what they say. */
export const refusedMovements: readonly Row[] = [
  precision("a funding", async (bed) => {
    const walletId = await bed.wallet("", "JPY");
    return { call: () => bed.there.fundWallet({ walletId, amount: "10.5" }) };
  }),
  precision("a hold", async (bed) => {
    const walletId = await bed.wallet("10", "JPY");
    return {
      call: () => bed.there.placeHold({ walletId, amount: "1.5", expireTime: anHourFrom(bed) }),
    };
  }),
  precision("a limit", async (bed) => {
    const walletId = await bed.wallet("10", "JPY");
    const settings = { limits: { singleTransferMax: "1.5" } };
    const updateMask = { paths: ["limits.single_transfer_max"] };
    return { call: () => bed.there.updateWallet({ walletId, settings, updateMask }) };
  }),
  row(
    "AMOUNT_PRECISION",
    InvalidArgument,
    /KWD have at most 3 decimals/,
  )("KWD", async (bed) => {
    const walletId = await bed.wallet("1.234", "KWD");
    return { call: () => bed.there.withdraw({ walletId, amount: "1.2345" }) };
  }),
  row(
    "UNKNOWN_CURRENCY",
    InvalidArgument,
    /"XAU".* ListCurrencies \(GET \/currencies\) names/,
  )("a wallet", async (bed) => {
    return { call: () => bed.there.createWallet({ userId: "u", currency: "XAU" }) };
  }),
  unknownAccount("a funding", async (bed) => {
    const walletId = await bed.wallet();
    const call = () => bed.there.fundWallet({ walletId, amount: "1", source: "nowhere" });
    return { call, metadata: { account: "nowhere" } };
  }),
  unknownAccount("a withdrawal", async (bed) => {
    const walletId = await bed.wallet("1");
    const call = () => bed.there.withdraw({ walletId, amount: "1", destination: "nowhere" });
    return { call, metadata: { account: "nowhere" } };
  }),
  unknownAccount("a shortfall", async (bed) => {
    const { id: transactionId } = await transferred(bed, "1");
    const shortfallAccount = "nowhere";
    const call = () => bed.there.reverseTransaction({ transactionId, shortfallAccount });
    return { call, metadata: { account: "nowhere" } };
  }),
  legWithoutWallet("a posted leg", async (bed) => {
    const legs = [{ from: ofAccount("external"), to: ofAccount("fees"), amount: "1" }];
    return { call: () => bed.there.postTransaction({ legs }) };
  }),
  insufficientBalance("a funding reversed by a shortfall alone", async (bed) => {
    const walletId = await bed.wallet();
    const { receipt } = await bed.here.fundWallet({ walletId, amount: "5" });
    await bed.here.withdraw({ walletId, amount: "5" });
    const transactionId = receipt?.transactionId ?? "";
    return {
      call: () => bed.there.reverseTransaction({ transactionId, shortfallAccount: "fees" }),
      metadata: { wallet_id: walletId },
    };
  }),
  row(
    "INVALID_FIELD",
    InvalidArgument,
    /amount: is for a transaction of one leg; this one has 2/,
  )("the amount of a reversal of two legs", async (bed) => {
    const [from, to] = [ofWallet(await bed.wallet("2")), ofWallet(await bed.wallet())];
    const leg = { from, to, amount: "1" };
    const { receipt } = await bed.here.postTransaction({ legs: [leg, leg] });
    const transactionId = receipt?.transactionId ?? "";
    return { call: () => bed.there.reverseTransaction({ transactionId, amount: "1" }) };
  }),
  sameWallet("a transfer", async (bed) => {
    const walletId = await bed.wallet("1");
    return { call: () => transfer(bed, [walletId, walletId.toUpperCase()]) };
  }),
  sameWallet("a capture", async (bed) => {
    const walletId = await bed.wallet("1");
    const holdId = await bed.hold(walletId, "1");
    return { call: () => capture(bed, holdId, walletId) };
  }),
  sameWallet("a sweep", async (bed) => {
    const walletId = await bed.wallet("1");
    return { call: () => bed.there.closeWallet({ walletId, sweepTo: ofWallet(walletId) }) };
  }),
  walletNotFound("a receiver", async (bed) => {
    const absent = v7();
    const from = await bed.wallet("1");
    return { call: () => transfer(bed, [from, absent]), metadata: { wallet_id: absent } };
  }),
  walletNotFound("a wallet to freeze", async (bed) => {
    const walletId = v7();
    return { call: () => bed.there.freezeWallet({ walletId }), metadata: { wallet_id: walletId } };
  }),
  walletNotFound("whose holds are listed", async (bed) => {
    const walletId = v7();
    return { call: () => bed.there.listHolds({ walletId }), metadata: { wallet_id: walletId } };
  }),
  mismatch("a posted leg", async (bed) => {
    const from = await bed.wallet("1");
    const to = await bed.wallet("", "EUR");
    const legs = [{ from: ofWallet(from), to: ofWallet(to), amount: "1" }];
    return { call: () => bed.there.postTransaction({ legs }) };
  }),
  overflow("a withdrawal taken back", async (bed) => {
    const walletId = await bed.wallet("1");
    const { receipt } = await bed.here.withdraw({ walletId, amount: "1" });
    await bed.here.fundWallet({ walletId, amount: "999999999999999.9999" });
    const transactionId = receipt?.transactionId ?? "";
    return {
      call: () => bed.there.reverseTransaction({ transactionId }),
      metadata: { wallet_id: walletId },
    };
  }),
  conflict("a posted transaction", async (bed) => {
    const from = await bed.wallet("1");
    const to = await bed.wallet();
    const legs = [{ from: ofWallet(from), to: ofWallet(to), amount: "1" }];
    const expectedVersions = [
      { walletId: to, version: 0n },
      { walletId: from, version: 7n },
    ];
    const call = () => bed.there.postTransaction({ legs, expectedVersions });
    return { call, metadata: { wallet_id: from } };
  }),
  conflict("a hold", async (bed) => {
    const walletId = await bed.wallet("1");
    const request = { walletId, amount: "1", expireTime: anHourFrom(bed), expectedVersion: 7n };
    return { call: () => bed.there.placeHold(request), metadata: { wallet_id: walletId } };
  }),
  reused("with other details", async (bed) => {
    const walletId = await bed.wallet("1");
    const request = { walletId, amount: "1", requestId: v7() };
    await bed.here.withdraw(request);
    return { call: () => bed.there.withdraw({ ...request, details: { reference: "other" } }) };
  }),
  usedReference("a funding reported twice", async (bed) => {
    const walletId = await bed.wallet();
    const details = { reference: v7() };
    const request = { walletId, amount: "1", source: "bank", details };
    const { receipt } = await bed.here.fundWallet({ ...request, requestId: v7() });
    const transactionId = receipt?.transactionId ?? "";
    const call = () => bed.there.fundWallet({ ...request, amount: "2", requestId: v7() });
    return { call, metadata: { transaction_id: transactionId } };
  }),
  usedReference("a leg from an account among others", async (bed) => {
    const walletId = await bed.wallet("5");
    const details = { reference: v7() };
    const { receipt } = await bed.here.fundWallet({ walletId, amount: "1", details });
    const transactionId = receipt?.transactionId ?? "";
    const legs = [
      { from: ofWallet(walletId), to: ofAccount("fees"), amount: "1" },
      { from: ofAccount("external"), to: ofWallet(walletId), amount: "1" },
    ];
    const call = () => bed.there.postTransaction({ legs, details });
    return { call, metadata: { transaction_id: transactionId } };
  }),
];
