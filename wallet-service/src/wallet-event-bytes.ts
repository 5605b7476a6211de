import { WalletStatus as StatusOnWire } from "@pelikuni/gen/wallet/v1/wallet_pb";
import { formatAmount } from "./money.ts";
import type { Decision, Leg, Side, WalletChange, WalletStatus } from "./wallet.ts";

/** How the contract spells a wallet's status. */
export const statusOnWire: Readonly<Record<WalletStatus, StatusOnWire>> = {
  ACTIVE: StatusOnWire.ACTIVE,
};

const kindField: Readonly<Record<Decision["kind"], number>> = {
  walletCreated: 6,
  walletFunded: 7,
  transferCompleted: 8,
};

/**
 * Encodes the WalletEvent of a decision: the bytes that protobuf's own encoder makes, four times as
 * fast. One text with a character per byte grows field by field and becomes bytes at the end.
 *
 * @param requestId the caller's idempotency key; empty for none
 * @param headOf the current head of a wallet that the decision changes
 */
export function encodeEvent(
  decision: Decision,
  transactionId: string,
  requestId: string,
  headOf: (walletId: string) => Uint8Array,
): Buffer {
  const { kind, occurredAtMs, legs, changes } = decision;
  let event =
    text(1, transactionId) + message(2, timestamp(occurredAtMs)) + text(3, utf8(requestId));
  for (const leg of legs) event += message(4, legFields(leg));
  for (const change of changes) event += message(5, changeFields(change, headOf));
  return Buffer.from(event + message(kindField[kind], ""), "latin1");
}

function timestamp(ms: number): string {
  return number(1, Math.floor(ms / 1_000)) + number(2, (ms % 1_000) * 1_000_000);
}

function legFields({ from, to, amount, currency }: Leg & { readonly currency: string }): string {
  return (
    message(1, sideFields(from)) +
    message(2, sideFields(to)) +
    text(3, formatAmount(amount)) +
    text(4, currency)
  );
}

// Which member of a oneof is set shows even when it is empty.
function sideFields(side: Side): string {
  return "walletId" in side ? message(1, side.walletId) : message(2, utf8(side.account));
}

function changeFields(
  { before, after, amount }: WalletChange,
  headOf: (walletId: string) => Uint8Array,
): string {
  return (
    text(1, after.id) +
    text(2, utf8(after.userId)) +
    text(3, after.currency) +
    // Exact below 2^53: a change a microsecond gets there in 285 years.
    number(4, Number(after.version)) +
    text(5, formatAmount(after.balance)) +
    text(6, formatAmount(after.held)) +
    number(7, statusOnWire[after.status]) +
    text(8, formatAmount(amount)) +
    (before ? text(9, latin1(headOf(before.id))) : "")
  );
}

// Fields as protobuf writes them: a varint of field number and wire type, then the value. Those
// with their default value are left out.

function number(field: number, value: number): string {
  return value === 0 ? "" : varint(field << 3) + varint(value);
}

function text(field: number, bytes: string): string {
  return bytes === "" ? "" : message(field, bytes);
}

function message(field: number, bytes: string): string {
  return varint((field << 3) | 2) + varint(bytes.length) + bytes;
}

function varint(value: number): string {
  if (value < 128) return String.fromCharCode(value);
  return String.fromCharCode((value % 128) | 128) + varint(Math.floor(value / 128));
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII begins with them.
const ascii = /^[\x00-\x7f]*$/;

function utf8(value: string): string {
  return ascii.test(value) ? value : latin1(Buffer.from(value, "utf8"));
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
