import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { v7 } from "uuid";
import { expect } from "vitest";
import { ofWallet } from "./operations-bed.ts";
import { capture, type Row, row, transferred } from "./refusal-row.ts";

const dayMs = 86_400_000;
const { InvalidArgument, NotFound, FailedPrecondition } = Code;
const holdNotFound = row("HOLD_NOT_FOUND", NotFound, "Hold not found");
const reversed = row("ALREADY_REVERSED", FailedPrecondition, /reversed already/);
const wrongExpiry = row("INVALID_FIELD", InvalidArgument, /^expire_time: must be in the future/);

/** What is refused for the state of a hold or of a transaction. */
export const refusedHolds: readonly Row[] = [
  holdNotFound("a capture", async (bed) => {
    const holdId = v7();
    const to = await bed.wallet();
    return { call: () => capture(bed, holdId, to), metadata: { hold_id: holdId } };
  }),
  holdNotFound("a release", async (bed) => {
    const holdId = v7();
    return { call: () => bed.there.releaseHold({ holdId }), metadata: { hold_id: holdId } };
  }),
  holdNotFound("a read", async (bed) => {
    const holdId = v7();
    return { call: () => bed.there.getHold({ holdId }), metadata: { hold_id: holdId } };
  }),
  row(
    "HOLD_AMOUNT_EXCEEDED",
    FailedPrecondition,
    /has 5.0000 remaining; capture at most that/,
  )("two payments together", async (bed) => {
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
  )("a release", async (bed) => {
    const holdId = await bed.hold(await bed.wallet("10"), "5");
    await capture(bed, holdId, await bed.wallet());
    return { call: () => bed.there.releaseHold({ holdId }), metadata: { hold_id: holdId } };
  }),
  row(
    "HOLD_RELEASED",
    FailedPrecondition,
    /released; place another one/,
  )("a capture", async (bed) => {
    const holdId = await bed.hold(await bed.wallet("10"), "5");
    const to = await bed.wallet();
    await bed.here.releaseHold({ holdId });
    return { call: () => capture(bed, holdId, to), metadata: { hold_id: holdId } };
  }),
  row(
    "HOLD_EXPIRED",
    FailedPrecondition,
    /expired; place another one/,
  )("a capture", async (bed) => {
    const walletId = await bed.wallet("10");
    const holdId = await bed.hold(walletId, "5", 2_000);
    const to = await bed.wallet();
    bed.advance(2_000);
    const status = async () => (await bed.here.getHold({ holdId })).hold?.remaining;
    // The sweep comes within a second or two: from then on nothing moves by itself.
    await expect.poll(status, { timeout: 10_000 }).toBe("0.0000");
    return { call: () => capture(bed, holdId, to), metadata: { hold_id: holdId } };
  }),
  wrongExpiry("in the past", async (bed) => {
    const walletId = await bed.wallet("1");
    const expireTime = timestampFromMs(bed.nowMs() - 1);
    return { call: () => bed.there.placeHold({ walletId, amount: "1", expireTime }) };
  }),
  wrongExpiry("further than configured", async (bed) => {
    const walletId = await bed.wallet("1");
    const expireTime = timestampFromMs(bed.nowMs() + 31 * dayMs + 60_000);
    return { call: () => bed.there.placeHold({ walletId, amount: "1", expireTime }) };
  }),
  row(
    "TRANSACTION_NOT_FOUND",
    NotFound,
    "Transaction not found",
  )("a reversal", async (bed) => {
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
  )("a reversal", async (bed) => {
    const { id } = await transferred(bed, "1");
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
  )("a creation", async (bed) => {
    const { receipt } = await bed.here.createWallet({ userId: "u" });
    const transactionId = receipt?.transactionId ?? "";
    return {
      call: () => bed.there.reverseTransaction({ transactionId }),
      metadata: { transaction_id: transactionId },
    };
  }),
  reversed("a second reversal", async (bed) => {
    const { id: transactionId } = await transferred(bed, "1");
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
  )("partial reversals above the amount", async (bed) => {
    const { id: transactionId } = await transferred(bed, "10");
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
  )("a leg that is not there", async (bed) => {
    const { id: transactionId } = await transferred(bed, "10");
    const legs = [{ index: 3, amount: "6" }];
    return { call: () => bed.there.reverseTransaction({ transactionId, legs }) };
  }),
];
