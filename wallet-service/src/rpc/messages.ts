import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { ReversalSchema, Side as SideOnWire } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import type {
  HoldSchema,
  WalletSchema,
  WalletSettingsSchema,
} from "@pelikuni/gen/wallet/v1/wallet_pb";
import type { ReceiptSchema } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { type Caller, mayReadOf } from "@pelikuni/runtime/access/caller";
import type { Answer, AnsweredWallet } from "../command-outcome.ts";
import { formatAmount, subtract, zero } from "../money.ts";
import type { HoldState, Side } from "../wallet.ts";
import { holdStatusOnWire, statusOnWire } from "../wallet-event-bytes.ts";
import type { WalletSettings } from "../wallet-events.ts";

/** An answer as the contract shows it to a caller. */
export interface ShownAnswer {
  readonly receipt: MessageInitShape<typeof ReceiptSchema>;
  /** In the order in which the legs name them first. */
  readonly wallets: MessageInitShape<typeof WalletSchema>[];
  /** The first of them. */
  readonly wallet: MessageInitShape<typeof WalletSchema>;
  readonly items: Answer["items"];
}

/** The scope with which a caller reads everybody's wallets. */
const readScope = "wallets:read";

/** An answer without the state of wallets that the caller may not read. */
export function shownAnswer(answer: Answer, caller: Caller): ShownAnswer {
  const wallets = answer.wallets.map((wallet) =>
    mayReadOf(caller, readScope, wallet.userId)
      ? walletMessage(wallet)
      : { id: wallet.id, currency: wallet.currency },
  );
  const [wallet] = wallets;
  if (wallet === undefined) throw new Error("An answer lacks its wallet.");
  return { receipt: receiptOf(answer), wallets, wallet, items: answer.items };
}

function receiptOf(answer: Answer): MessageInitShape<typeof ReceiptSchema> {
  const { transactionId, position, occurredAtMs } = answer;
  return { transactionId, position, occurredAt: timestampFromMs(occurredAtMs) };
}

/** A wallet as the contract shows it. */
export function walletMessage(wallet: AnsweredWallet): MessageInitShape<typeof WalletSchema> {
  return {
    id: wallet.id,
    userId: wallet.userId,
    currency: wallet.currency,
    balance: formatAmount(wallet.balance),
    held: formatAmount(wallet.held),
    available: formatAmount(subtract(wallet.balance, wallet.held)),
    status: statusOnWire[wallet.status],
    version: wallet.version,
    createTime: timestampFromMs(wallet.createTimeMs),
    updateTime: timestampFromMs(wallet.updateTimeMs),
  };
}

/** A hold as the contract shows it; there must be one. */
export function holdMessage(hold: HoldState | undefined): MessageInitShape<typeof HoldSchema> {
  if (hold === undefined) throw new Error("An answer lacks its hold.");
  const { amount, captured, status } = hold;
  return {
    id: hold.id,
    walletId: hold.walletId,
    currency: hold.currency,
    amount: formatAmount(amount),
    captured: formatAmount(captured),
    remaining: formatAmount(status === "OPEN" ? subtract(amount, captured) : zero),
    status: holdStatusOnWire[status],
    createTime: timestampFromMs(hold.createTimeMs),
    expireTime: timestampFromMs(hold.expireTimeMs),
  };
}

/** What is kept beside a wallet, as the contract shows it. */
export function settingsMessage({
  metadata,
  transferLimit,
}: WalletSettings): MessageInitShape<typeof WalletSettingsSchema> {
  const limits = transferLimit && { singleTransferMax: formatAmount(transferLimit) };
  return { metadata: { ...metadata }, ...(limits && { limits }) };
}

/** What a reversal takes back, as the contract shows it. */
export function reversalMessage({
  reversal,
}: Answer["items"]): MessageInitShape<typeof ReversalSchema> {
  if (reversal === undefined) throw new Error("An answer lacks its reversal.");
  const legs = reversal.legs.map(({ index, amount }) => ({ index, amount: formatAmount(amount) }));
  return { transactionId: reversal.transactionId, legs };
}

/** One end of a movement, which the contract's rules have let through. */
export function sideOf(sent: SideOnWire | undefined): Side {
  const side = sent?.side;
  if (side?.case === "walletId") return { walletId: side.value.toLowerCase() };
  if (side?.case === "account") return { account: side.value };
  throw new Error("A side that is none passed the contract's rules.");
}
