import { hash } from "node:crypto";
import { formatAmount } from "./money.ts";
import type { Command, Side } from "./wallet.ts";

/** What makes a repeated call recognisable. */
export interface RequestKey {
  /** Identifies caller and request_id, as a UUID: 16 bytes of a SHA-256. */
  readonly key: string;
  /** SHA-256 over the parsed command: equal for the same input. */
  readonly fingerprint: Uint8Array;
}

const lengthBytes = 4;

/**
 * The key of a request: the first 16 bytes of SHA-256 over principal and request_id, each with its
 * length in front, so that no two pairs run together into the same bytes.
 *
 * @param principal who calls; empty until there is authentication
 */
export function requestKey(principal: string, requestId: string, command: Command): RequestKey {
  const named = Buffer.concat([principal, requestId].flatMap(withLength));
  return {
    key: asUuid(hash("sha256", named, "hex")),
    fingerprint: hash("sha256", JSON.stringify(inputOf(command)), "buffer"),
  };
}

/**
 * The input that must be the same for a repeat: amounts in four places, ids in lower case, defaults
 * left out; neither request_id, expected_version nor deadline.
 */
function inputOf(command: Command): unknown {
  if (command.kind === "walletCreated") {
    const { userId, currency } = command;
    return ["CreateWallet", { userId, ...(currency === "USD" ? {} : { currency }) }];
  }
  const legs = command.legs.map(({ from, to, amount }) => ({
    from: sideName(from),
    to: sideName(to),
    amount: formatAmount(amount),
  }));
  return [command.kind === "walletFunded" ? "FundWallet" : "Transfer", { legs }];
}

// The first 16 bytes, written as Postgres writes a uuid.
function asUuid(hex: string): string {
  const part = (from: number, to: number): string => hex.slice(from, to);
  return `${part(0, 8)}-${part(8, 12)}-${part(12, 16)}-${part(16, 20)}-${part(20, 32)}`;
}

function sideName(side: Side): string {
  return "walletId" in side ? `wallet:${side.walletId}` : `account:${side.account}`;
}

function withLength(text: string): [Buffer, Buffer] {
  const bytes = Buffer.from(text, "utf8");
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(bytes.length);
  return [length, bytes];
}
