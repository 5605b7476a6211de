import { readFile } from "node:fs/promises";
import path from "node:path";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { FreezeScope } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { errorMetadata, errorReason, errorViolations } from "@pelikuni/runtime/rpc-errors";
import { v7 } from "uuid";
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

interface Refused {
  readonly call: () => Promise<unknown>;
  /** What ErrorInfo says beside the reason. */
  readonly metadata?: Readonly<Record<string, string>>;
}

interface Row {
  readonly name: string;
  readonly reason: string;
  readonly code: Code;
  readonly message: string | RegExp;
  /** Brings everything into the state in which the call is refused. */
  readonly prepare: () => Promise<Refused>;
}

function row(
  reason: string,
  code: Code,
  message: string | RegExp,
): (name: string, prepare: Row["prepare"]) => Row {
  return (name, prepare) => ({ reason, code, message, name, prepare });
}

const hour = () => timestampFromMs(bed.nowMs() + 3_600_000);
const dayMs = 86_400_000;

const { InvalidArgument, NotFound, FailedPrecondition, Aborted, AlreadyExists } = Code;
const precision = row("AMOUNT_PRECISION", InvalidArgument, /JPY have at most 0 decimals; leave/);
const unknownAccount = row("UNKNOWN_ACCOUNT", InvalidArgument, /"nowhere".* ListAccounts names/);
const legWithoutWallet = row("LEG_WITHOUT_WALLET", InvalidArgument, /one side has to be a wallet/);
const sameWallet = row("SAME_WALLET", InvalidArgument, "Cannot transfer to the same wallet");
const walletNotFound = row("WALLET_NOT_FOUND", NotFound, "Wallet not found");
const holdNotFound = row("HOLD_NOT_FOUND", NotFound, "Hold not found");
const insufficient = row("INSUFFICIENT_BALANCE", FailedPrecondition, "Insufficient balance");
const frozen = row("WALLET_FROZEN", FailedPrecondition, /frozen; unfreeze it first/);
const closed = row("WALLET_CLOSED", FailedPrecondition, /closed for good; use another/);
const limit = row("WALLET_LIMIT", FailedPrecondition, /at most 5.0000 at once; use a smaller/);
const reversed = row("ALREADY_REVERSED", FailedPrecondition, /reversed already/);
const conflict = row("VERSION_CONFLICT", Aborted, /version 1, not 7; read it again/);
const mismatch = row("CURRENCY_MISMATCH", FailedPrecondition, /wallets of one currency/);
const reused = row("REQUEST_ID_REUSED", AlreadyExists, /choose a new one/);
const overflow = row("BALANCE_LIMIT", FailedPrecondition, /use a smaller amount/);
const usedReference = row("REFERENCE_ALREADY_USED", AlreadyExists, /a reference of its own/);
const wrongExpiry = row("INVALID_FIELD", InvalidArgument, /^expire_time: must be in the future/);
const badField = row("INVALID_FIELD", InvalidArgument, /^\w+: must name one or more of/);

function frozenWallet(scope: FreezeScope): () => Promise<string> {
  return async () => {
    const walletId = await bed.wallet("10");
    await bed.here.freezeWallet({ walletId, scope });
    return walletId;
  };
}
const allFrozen = frozenWallet(FreezeScope.ALL);
const outgoingFrozen = frozenWallet(FreezeScope.OUTGOING);

async function closedWallet(): Promise<string> {
  const walletId = await bed.wallet();
  await bed.here.closeWallet({ walletId });
  return walletId;
}

async function limitedWallet(): Promise<string> {
  const walletId = await bed.wallet("100");
  const settings = { limits: { singleTransferMax: "5" } };
  await bed.here.updateWallet({ walletId, settings, updateMask: { paths: ["limits"] } });
  return walletId;
}

async function transferred(amount: string): Promise<{ from: string; to: string; id: string }> {
  const from = await bed.wallet("100");
  const to = await bed.wallet();
  const { receipt } = await bed.here.transfer({ fromWalletId: from, toWalletId: to, amount });
  return { from, to, id: receipt?.transactionId ?? "" };
}

function transfer(fromWalletId: string, toWalletId: string, amount = "1"): Promise<unknown> {
  return bed.there.transfer({ fromWalletId, toWalletId, amount });
}

function capture(holdId: string, to: string, amount = "1"): Promise<unknown> {
  return bed.there.captureHold({ holdId, payments: [{ to: ofWallet(to), amount }] });
}

const movements: Row[] = [
  precision("a funding", async () => {
    const walletId = await bed.wallet("", "JPY");
    return { call: () => bed.there.fundWallet({ walletId, amount: "10.5" }) };
  }),
  precision("a hold", async () => {
    const walletId = await bed.wallet("10", "JPY");
    return { call: () => bed.there.placeHold({ walletId, amount: "1.5", expireTime: hour() }) };
  }),
  precision("a limit", async () => {
    const walletId = await bed.wallet("10", "JPY");
    const settings = { limits: { singleTransferMax: "1.5" } };
    const updateMask = { paths: ["limits.single_transfer_max"] };
    return { call: () => bed.there.updateWallet({ walletId, settings, updateMask }) };
  }),
  row(
    "AMOUNT_PRECISION",
    InvalidArgument,
    /KWD have at most 3 decimals/,
  )("KWD", async () => {
    const walletId = await bed.wallet("1.234", "KWD");
    return { call: () => bed.there.withdraw({ walletId, amount: "1.2345" }) };
  }),
  row(
    "UNKNOWN_CURRENCY",
    InvalidArgument,
    /"XAU".* ListCurrencies names/,
  )("a wallet", async () => {
    return { call: () => bed.there.createWallet({ userId: "u", currency: "XAU" }) };
  }),
  unknownAccount("a funding", async () => {
    const walletId = await bed.wallet();
    const call = () => bed.there.fundWallet({ walletId, amount: "1", source: "nowhere" });
    return { call, metadata: { account: "nowhere" } };
  }),
  unknownAccount("a withdrawal", async () => {
    const walletId = await bed.wallet("1");
    const call = () => bed.there.withdraw({ walletId, amount: "1", destination: "nowhere" });
    return { call, metadata: { account: "nowhere" } };
  }),
  unknownAccount("a shortfall", async () => {
    const { id: transactionId } = await transferred("1");
    const shortfallAccount = "nowhere";
    const call = () => bed.there.reverseTransaction({ transactionId, shortfallAccount });
    return { call, metadata: { account: "nowhere" } };
  }),
  legWithoutWallet("a posted leg", async () => {
    const legs = [{ from: ofAccount("external"), to: ofAccount("fees"), amount: "1" }];
    return { call: () => bed.there.postTransaction({ legs }) };
  }),
  legWithoutWallet("a funding reversed by a shortfall alone", async () => {
    const walletId = await bed.wallet();
    const { receipt } = await bed.here.fundWallet({ walletId, amount: "5" });
    await bed.here.withdraw({ walletId, amount: "5" });
    const transactionId = receipt?.transactionId ?? "";
    return {
      call: () => bed.there.reverseTransaction({ transactionId, shortfallAccount: "fees" }),
    };
  }),
  sameWallet("a transfer", async () => {
    const walletId = await bed.wallet("1");
    return { call: () => transfer(walletId, walletId.toUpperCase()) };
  }),
  sameWallet("a capture", async () => {
    const walletId = await bed.wallet("1");
    const holdId = await bed.hold(walletId, "1");
    return { call: () => capture(holdId, walletId) };
  }),
  sameWallet("a sweep", async () => {
    const walletId = await bed.wallet("1");
    return { call: () => bed.there.closeWallet({ walletId, sweepTo: ofWallet(walletId) }) };
  }),
  walletNotFound("a receiver", async () => {
    const absent = v7();
    const from = await bed.wallet("1");
    return { call: () => transfer(from, absent), metadata: { wallet_id: absent } };
  }),
  walletNotFound("a wallet to freeze", async () => {
    const walletId = v7();
    return { call: () => bed.there.freezeWallet({ walletId }), metadata: { wallet_id: walletId } };
  }),
  walletNotFound("whose holds are listed", async () => {
    const walletId = v7();
    return { call: () => bed.there.listHolds({ walletId }), metadata: { wallet_id: walletId } };
  }),
  mismatch("a posted leg", async () => {
    const from = await bed.wallet("1");
    const to = await bed.wallet("", "EUR");
    const legs = [{ from: ofWallet(from), to: ofWallet(to), amount: "1" }];
    return { call: () => bed.there.postTransaction({ legs }) };
  }),
  overflow("a withdrawal taken back", async () => {
    const walletId = await bed.wallet("1");
    const { receipt } = await bed.here.withdraw({ walletId, amount: "1" });
    await bed.here.fundWallet({ walletId, amount: "999999999999999.9999" });
    const transactionId = receipt?.transactionId ?? "";
    return {
      call: () => bed.there.reverseTransaction({ transactionId }),
      metadata: { wallet_id: walletId },
    };
  }),
  conflict("a posted transaction", async () => {
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
  conflict("a hold", async () => {
    const walletId = await bed.wallet("1");
    const request = { walletId, amount: "1", expireTime: hour(), expectedVersion: 7n };
    return { call: () => bed.there.placeHold(request), metadata: { wallet_id: walletId } };
  }),
  reused("with other details", async () => {
    const walletId = await bed.wallet("1");
    const request = { walletId, amount: "1", requestId: v7() };
    await bed.here.withdraw(request);
    return { call: () => bed.there.withdraw({ ...request, details: { reference: "other" } }) };
  }),
  usedReference("a funding reported twice", async () => {
    const walletId = await bed.wallet();
    const details = { reference: v7() };
    const request = { walletId, amount: "1", source: "bank", details };
    const { receipt } = await bed.here.fundWallet({ ...request, requestId: v7() });
    const transactionId = receipt?.transactionId ?? "";
    const call = () => bed.there.fundWallet({ ...request, amount: "2", requestId: v7() });
    return { call, metadata: { transaction_id: transactionId } };
  }),
  usedReference("a leg from an account among others", async () => {
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

const walletStates: Row[] = [
  insufficient("money that is held", async () => {
    const from = await bed.wallet("10");
    const to = await bed.wallet();
    await bed.hold(from, "8");
    return { call: () => transfer(from, to, "2.0001"), metadata: { wallet_id: from } };
  }),
  insufficient("a hold beyond what is available", async () => {
    const walletId = await bed.wallet("10");
    await bed.hold(walletId, "8");
    const request = { walletId, amount: "2.0001", expireTime: hour() };
    return { call: () => bed.there.placeHold(request), metadata: { wallet_id: walletId } };
  }),
  insufficient("a reversal whose receiver has spent it", async () => {
    const { to, id: transactionId } = await transferred("10");
    await bed.here.withdraw({ walletId: to, amount: "7" });
    return {
      call: () => bed.there.reverseTransaction({ transactionId }),
      metadata: { wallet_id: to },
    };
  }),
  frozen("a transfer from it", async () => {
    const from = await outgoingFrozen();
    const to = await bed.wallet();
    return { call: () => transfer(from, to), metadata: { wallet_id: from } };
  }),
  frozen("a transfer into a fully frozen one", async () => {
    const to = await allFrozen();
    const from = await bed.wallet("1");
    return { call: () => transfer(from, to), metadata: { wallet_id: to } };
  }),
  frozen("a hold", async () => {
    const walletId = await outgoingFrozen();
    const request = { walletId, amount: "1", expireTime: hour() };
    return { call: () => bed.there.placeHold(request), metadata: { wallet_id: walletId } };
  }),
  frozen("a capture", async () => {
    const walletId = await bed.wallet("1");
    const holdId = await bed.hold(walletId, "1");
    await bed.here.freezeWallet({ walletId, scope: FreezeScope.OUTGOING });
    const to = await bed.wallet();
    return { call: () => capture(holdId, to), metadata: { wallet_id: walletId } };
  }),
  frozen("a sweep", async () => {
    const walletId = await outgoingFrozen();
    const sweepTo = ofAccount("bank");
    const call = () => bed.there.closeWallet({ walletId, sweepTo });
    return { call, metadata: { wallet_id: walletId } };
  }),
  closed("a funding", async () => {
    const walletId = await closedWallet();
    const call = () => bed.there.fundWallet({ walletId, amount: "1" });
    return { call, metadata: { wallet_id: walletId } };
  }),
  closed("an update", async () => {
    const walletId = await closedWallet();
    const request = { walletId, settings: {}, updateMask: { paths: ["metadata"] } };
    return { call: () => bed.there.updateWallet(request), metadata: { wallet_id: walletId } };
  }),
  closed("unfreezing", async () => {
    const walletId = await closedWallet();
    return {
      call: () => bed.there.unfreezeWallet({ walletId }),
      metadata: { wallet_id: walletId },
    };
  }),
  closed("closing once more", async () => {
    const walletId = await closedWallet();
    return { call: () => bed.there.closeWallet({ walletId }), metadata: { wallet_id: walletId } };
  }),
  row(
    "WALLET_NOT_EMPTY",
    FailedPrecondition,
    /move it away first, or say where it goes/,
  )("closing with money", async () => {
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
  )("a sweep", async () => {
    const walletId = await bed.wallet("1");
    await bed.hold(walletId, "1");
    const call = () => bed.there.closeWallet({ walletId, sweepTo: ofAccount("bank") });
    return { call, metadata: { wallet_id: walletId } };
  }),
  limit("a transfer", async () => {
    const from = await limitedWallet();
    const to = await bed.wallet();
    return { call: () => transfer(from, to, "5.0001"), metadata: { wallet_id: from } };
  }),
  limit("a hold", async () => {
    const walletId = await limitedWallet();
    const request = { walletId, amount: "5.0001", expireTime: hour() };
    return { call: () => bed.there.placeHold(request), metadata: { wallet_id: walletId } };
  }),
  limit("several legs together", async () => {
    const walletId = await limitedWallet();
    const to = ofAccount("external");
    const legs = ["3", "3"].map((amount) => ({ from: ofWallet(walletId), to, amount }));
    return {
      call: () => bed.there.postTransaction({ legs }),
      metadata: { wallet_id: walletId },
    };
  }),
  badField("a mask that names nothing", async () => {
    const walletId = await bed.wallet();
    return { call: () => bed.there.updateWallet({ walletId, updateMask: { paths: [] } }) };
  }),
  badField("a mask that names what is not there", async () => {
    const walletId = await bed.wallet();
    return { call: () => bed.there.updateWallet({ walletId, updateMask: { paths: ["name"] } }) };
  }),
];

const holdsAndReversals: Row[] = [
  holdNotFound("a capture", async () => {
    const holdId = v7();
    const to = await bed.wallet();
    return { call: () => capture(holdId, to), metadata: { hold_id: holdId } };
  }),
  holdNotFound("a release", async () => {
    const holdId = v7();
    return { call: () => bed.there.releaseHold({ holdId }), metadata: { hold_id: holdId } };
  }),
  holdNotFound("a read", async () => {
    const holdId = v7();
    return { call: () => bed.there.getHold({ holdId }), metadata: { hold_id: holdId } };
  }),
  row(
    "HOLD_AMOUNT_EXCEEDED",
    FailedPrecondition,
    /has 5.0000 remaining; capture at most that/,
  )("two payments together", async () => {
    const holdId = await bed.hold(await bed.wallet("10"), "5");
    const to = ofWallet(await bed.wallet());
    const payments = ["3", "2.0001"].map((amount) => ({ to, amount }));
    return {
      call: () => bed.there.captureHold({ holdId, payments }),
      metadata: { hold_id: holdId },
    };
  }),
  row(
    "HOLD_CAPTURED",
    FailedPrecondition,
    /captured; place another one/,
  )("a release", async () => {
    const holdId = await bed.hold(await bed.wallet("10"), "5");
    await capture(holdId, await bed.wallet());
    return { call: () => bed.there.releaseHold({ holdId }), metadata: { hold_id: holdId } };
  }),
  row(
    "HOLD_RELEASED",
    FailedPrecondition,
    /released; place another one/,
  )("a capture", async () => {
    const holdId = await bed.hold(await bed.wallet("10"), "5");
    const to = await bed.wallet();
    await bed.here.releaseHold({ holdId });
    return { call: () => capture(holdId, to), metadata: { hold_id: holdId } };
  }),
  row(
    "HOLD_EXPIRED",
    FailedPrecondition,
    /expired; place another one/,
  )("a capture", async () => {
    const walletId = await bed.wallet("10");
    const holdId = await bed.hold(walletId, "5", 2_000);
    const to = await bed.wallet();
    bed.advance(2_000);
    const status = async () => (await bed.here.getHold({ holdId })).hold?.remaining;
    // The sweep comes within a second or two: from then on nothing moves by itself.
    await expect.poll(status, { timeout: 10_000 }).toBe("0.0000");
    return { call: () => capture(holdId, to), metadata: { hold_id: holdId } };
  }),
  wrongExpiry("in the past", async () => {
    const walletId = await bed.wallet("1");
    const expireTime = timestampFromMs(bed.nowMs() - 1);
    return { call: () => bed.there.placeHold({ walletId, amount: "1", expireTime }) };
  }),
  wrongExpiry("further than configured", async () => {
    const walletId = await bed.wallet("1");
    const expireTime = timestampFromMs(bed.nowMs() + 31 * dayMs + 60_000);
    return { call: () => bed.there.placeHold({ walletId, amount: "1", expireTime }) };
  }),
  row(
    "TRANSACTION_NOT_FOUND",
    NotFound,
    "Transaction not found",
  )("a reversal", async () => {
    const transactionId = v7();
    return {
      call: () => bed.there.reverseTransaction({ transactionId }),
      metadata: { transaction_id: transactionId },
    };
  }),
  row(
    "NOT_REVERSIBLE",
    FailedPrecondition,
    /are no reversals/,
  )("a reversal", async () => {
    const { id } = await transferred("1");
    const { receipt } = await bed.here.reverseTransaction({ transactionId: id });
    const transactionId = receipt?.transactionId ?? "";
    return {
      call: () => bed.there.reverseTransaction({ transactionId }),
      metadata: { transaction_id: transactionId },
    };
  }),
  row(
    "NOT_REVERSIBLE",
    FailedPrecondition,
    /that moved money/,
  )("a creation", async () => {
    const { receipt } = await bed.here.createWallet({ userId: "u" });
    const transactionId = receipt?.transactionId ?? "";
    return {
      call: () => bed.there.reverseTransaction({ transactionId }),
      metadata: { transaction_id: transactionId },
    };
  }),
  reversed("a second reversal", async () => {
    const { id: transactionId } = await transferred("1");
    await bed.here.reverseTransaction({ transactionId });
    return {
      call: () => bed.there.reverseTransaction({ transactionId }),
      metadata: { transaction_id: transactionId },
    };
  }),
  row(
    "ALREADY_REVERSED",
    FailedPrecondition,
    /Of leg 0 only 4.0000 is left; reverse at most/,
  )("partial reversals above the amount", async () => {
    const { id: transactionId } = await transferred("10");
    const legs = [{ index: 0, amount: "6" }];
    await bed.here.reverseTransaction({ transactionId, legs });
    const more = [{ index: 0, amount: "4.0001" }];
    return {
      call: () => bed.there.reverseTransaction({ transactionId, legs: more }),
      metadata: { transaction_id: transactionId },
    };
  }),
  row(
    "INVALID_FIELD",
    InvalidArgument,
    /^legs.index: 3 is none of the transaction's 1 legs/,
  )("a leg that is not there", async () => {
    const { id: transactionId } = await transferred("10");
    const legs = [{ index: 3, amount: "6" }];
    return { call: () => bed.there.reverseTransaction({ transactionId, legs }) };
  }),
];

const rows = [...movements, ...walletStates, ...holdsAndReversals];

test.each(rows.map((one) => [`${one.reason}: ${one.name}`, one] as const))(
  "%s is refused, says what to change, and nothing changes",
  async (_, { reason, code, message, prepare }) => {
    const { call, metadata = {} } = await prepare();
    const before = await bed.everything();
    const error = await errorOf(call());
    expect([errorReason(error), error.code]).toEqual([reason, code]);
    if (typeof message === "string") expect(error.rawMessage).toBe(message);
    else expect(error.rawMessage).toMatch(message);
    expect(errorMetadata(error)).toEqual(metadata);
    const isField = reason === "INVALID_FIELD";
    expect(errorViolations(error).length).toBe(isField ? 1 : 0);
    expect(await bed.everything()).toBe(before);
  },
);

/** Reasons that say that something is not there to decide, or not understood; tested elsewhere. */
const faults = [
  "OVERLOADED",
  "DATABASE_UNAVAILABLE",
  "OUTCOME_UNKNOWN",
  "MALFORMED_MESSAGE",
  "MESSAGE_TOO_LARGE",
  "STOPPING",
  "INTERNAL",
];

test("every refusal of the contract's table stands here, with its code", async () => {
  const contract = path.resolve(
    import.meta.dirname,
    "../../proto/pelikuni/wallet/v1/wallet_service.proto",
  );
  const table = (await readFile(contract, "utf8")).matchAll(/^\/\/ {3}([A-Z_]+) +([A-Z_]+) +/gm);
  const promised = new Map([...table].map(([, reason = "", code = ""]) => [reason, code]));
  for (const fault of faults) expect(promised.delete(fault)).toBe(true);
  const codeName = (code: Code) => (Code[code] ?? "").replace(/(?<=.)[A-Z]/g, "_$&").toUpperCase();
  const tested = new Map(rows.map(({ reason, code }) => [reason, codeName(code)]));
  expect(tested).toEqual(promised);
});
