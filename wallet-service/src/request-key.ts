import { hash } from "node:crypto";
import type { Command } from "./decide/command.ts";
import { formatAmount } from "./money.ts";
import type { Details, Leg, Metadata, Side } from "./wallet.ts";

/** What makes a repeated call recognisable. */
export interface RequestKey {
  /** Identifies caller and request_id, as a UUID: 16 bytes of a SHA-256. */
  readonly key: string;
  /** SHA-256 over the parsed command: equal for the same input. */
  readonly fingerprint: Uint8Array;
}

const lengthBytes = 4;

/**
 * The key of a request, with the fingerprint of what it asks for.
 *
 * @param principal who calls: one caller's request_ids never meet another's; empty: whoever, where no
 *   authentication is configured
 */
export function requestKey(
  principal: string,
  requestId: string,
  command: Command,
  details?: Details,
): RequestKey {
  const input = details ? [inputOf(command), detailsInput(details)] : inputOf(command);
  return {
    key: namedUuid(principal, requestId),
    fingerprint: hash("sha256", JSON.stringify(input), "buffer"),
  };
}

/**
 * A UUID for a pair of texts: the first 16 bytes of SHA-256 over both, each with its length in
 * front, so that no two pairs run together into the same bytes.
 */
export function namedUuid(space: string, name: string): string {
  return asUuid(hash("sha256", Buffer.concat([space, name].flatMap(withLength)), "hex"));
}

/**
 * The input that must be the same for a repeat: amounts in four places, ids in lower case, defaults
 * left out; neither request_id, expected versions, deadline nor the ids that every try brings anew.
 */
function inputOf(command: Command): unknown {
  switch (command.kind) {
    case "createWallet": {
      const { kind, userId, currency } = command;
      return [kind, { userId, ...(currency === "USD" ? {} : { currency }) }];
    }
    case "fund":
    case "transfer":
    case "withdraw":
    case "post":
      return [command.kind, command.legs.map(legInput), command.exchange];
    case "placeHold": {
      const { kind, walletId, amount, expireTimeMs } = command;
      return [kind, walletId, formatAmount(amount), expireTimeMs];
    }
    case "captureHold": {
      const payments = command.payments.map(({ to, amount }) => [nameOf(to), formatAmount(amount)]);
      return [command.kind, command.holdId, payments, command.keepRemaining];
    }
    case "releaseHold":
      return [command.kind, command.holdId];
    case "reverseTransaction": {
      const legs = command.legs.map(({ index, amount }) => [index, formatAmount(amount)]);
      const { kind, transactionId, onlyLeg = false, shortfallAccount } = command;
      return [kind, transactionId, legs, onlyLeg, shortfallAccount];
    }
    case "changeStatus":
      return [command.kind, command.walletId, command.status, command.reason];
    case "closeWallet": {
      const { kind, walletId, sweepTo, reason } = command;
      return [kind, walletId, sweepTo && nameOf(sweepTo), reason];
    }
    case "updateWallet": {
      const { kind, walletId, metadata, transferLimit } = command;
      const limit = typeof transferLimit === "object" ? formatAmount(transferLimit) : transferLimit;
      return [kind, walletId, metadata && sorted(metadata), limit];
    }
  }
}

function legInput({ from, to, amount }: Leg): unknown {
  return { from: nameOf(from), to: nameOf(to), amount: formatAmount(amount) };
}

function detailsInput({ reference, description, metadata }: Details): unknown {
  return [reference, description, sorted(metadata)];
}

function sorted(metadata: Metadata): [string, string][] {
  return Object.entries(metadata).sort(([one], [other]) => (one < other ? -1 : 1));
}

// The first 16 bytes, written as Postgres writes a uuid.
function asUuid(hex: string): string {
  const part = (from: number, to: number): string => hex.slice(from, to);
  return `${part(0, 8)}-${part(8, 12)}-${part(12, 16)}-${part(16, 20)}-${part(20, 32)}`;
}

function nameOf(side: Side): string {
  return "walletId" in side ? `wallet:${side.walletId}` : `account:${side.account}`;
}

function withLength(text: string): [Buffer, Buffer] {
  const bytes = Buffer.from(text, "utf8");
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(bytes.length);
  return [length, bytes];
}
