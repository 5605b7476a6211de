import { type Timestamp, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { Code } from "@connectrpc/connect";
import type { FreezeScope } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { type OperationsBed, ofWallet } from "./operations-bed.ts";

const hourMs = 3_600_000;

/** A call that is refused. */
export interface Refused {
  readonly call: () => Promise<unknown>;
  /** What ErrorInfo says beside the reason. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** How a refusal must look, and when it comes. */
export interface Row {
  readonly name: string;
  readonly reason: string;
  readonly code: Code;
  readonly message: string | RegExp;
  /** Brings everything into the state in which the call is refused. */
  readonly prepare: (bed: OperationsBed) => Promise<Refused>;
}

/** Makes rows of one refusal, each for another occasion. */
export function row(
  reason: string,
  code: Code,
  message: string | RegExp,
): (name: string, prepare: Row["prepare"]) => Row {
  return (name, prepare) => ({ reason, code, message, name, prepare });
}

/** An hour from now, by the bed's clock. */
export function anHourFrom(bed: OperationsBed): Timestamp {
  return timestampFromMs(bed.nowMs() + hourMs);
}

/** A wallet with money that is frozen. */
export async function frozenWallet(bed: OperationsBed, scope: FreezeScope): Promise<string> {
  const walletId = await bed.wallet("10");
  await bed.here.freezeWallet({ walletId, scope });
  return walletId;
}

/** A transfer that was made between two new wallets. */
export async function transferred(
  bed: OperationsBed,
  amount: string,
): Promise<{ to: string; id: string }> {
  const from = await bed.wallet("100");
  const to = await bed.wallet();
  const { receipt } = await bed.here.transfer({ fromWalletId: from, toWalletId: to, amount });
  return { to, id: receipt?.transactionId ?? "" };
}

/** Transfers by the second replica. */
export function transfer(
  bed: OperationsBed,
  [fromWalletId, toWalletId]: readonly [string, string],
  amount = "1",
): Promise<unknown> {
  return bed.there.transfer({ fromWalletId, toWalletId, amount });
}

/** Captures 1 by the second replica. */
export function capture(bed: OperationsBed, holdId: string, to: string): Promise<unknown> {
  return bed.there.captureHold({ holdId, payments: [{ to: ofWallet(to), amount: "1" }] });
}
