import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { HoldStatus as HoldStatusOnWire } from "@pelikuni/gen/wallet/v1/wallet_pb";
import type { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { expect } from "../decide/command.ts";
import { listHolds } from "../hold-store.ts";
import type { HoldStatus } from "../wallet.ts";
import { refusalError } from "../wallet-errors.ts";
import { type CommandRunner, trusted } from "./command-runner.ts";
import { holdMessage, sideOf } from "./messages.ts";
import { orUnavailable, readPage } from "./reads.ts";
import type { WalletRpcParts } from "./wallet-rpc.ts";

type Handlers = Pick<
  ServiceImpl<typeof WalletService>,
  "placeHold" | "captureHold" | "releaseHold" | "getHold" | "listHolds"
>;

const statusAskedFor: Readonly<Record<HoldStatusOnWire, HoldStatus | undefined>> = {
  [HoldStatusOnWire.UNSPECIFIED]: undefined,
  [HoldStatusOnWire.OPEN]: "OPEN",
  [HoldStatusOnWire.CAPTURED]: "CAPTURED",
  [HoldStatusOnWire.RELEASED]: "RELEASED",
  [HoldStatusOnWire.EXPIRED]: "EXPIRED",
};

/** The handlers of holds. */
export function holdRpc(parts: WalletRpcParts, { run }: CommandRunner): Handlers {
  return {
    async placeHold(message, context) {
      const { amount, expireTime, expectedVersion } = message;
      const walletId = message.walletId.toLowerCase();
      const { receipt, wallet, items } = await run(
        {
          kind: "placeHold",
          holdId: parts.newId(),
          walletId,
          amount: trusted(amount),
          expireTimeMs: expireTime ? timestampMs(expireTime) : 0,
          ...expect(walletId, expectedVersion),
        },
        message,
        context,
      );
      return { receipt, hold: holdMessage(items.hold), wallet };
    },

    async captureHold(message, context) {
      const { holdId, payments, keepRemaining, expectedVersion } = message;
      const { receipt, wallets, items } = await run(
        {
          kind: "captureHold",
          holdId: holdId.toLowerCase(),
          payments: payments.map(({ to, amount }) => ({ to: sideOf(to), amount: trusted(amount) })),
          keepRemaining,
          ...(expectedVersion !== undefined && { expectedVersion }),
        },
        message,
        context,
      );
      return { receipt, hold: holdMessage(items.hold), wallets };
    },

    async releaseHold(message, context) {
      const { holdId, expectedVersion } = message;
      const { receipt, wallet, items } = await run(
        {
          kind: "releaseHold",
          holdId: holdId.toLowerCase(),
          expired: false,
          ...(expectedVersion !== undefined && { expectedVersion }),
        },
        message,
        context,
      );
      return { receipt, hold: holdMessage(items.hold), wallet };
    },

    async getHold(message) {
      const holdId = message.holdId.toLowerCase();
      const hold = await orUnavailable(parts.readers.holds.read(holdId));
      if (hold === undefined) throw refusalError({ reason: "HOLD_NOT_FOUND", holdId });
      return { hold: holdMessage(hold) };
    },

    async listHolds(message) {
      const walletId = message.walletId.toLowerCase();
      const wallet = await orUnavailable(parts.readers.wallets.read(walletId));
      if (wallet === undefined) throw refusalError({ reason: "WALLET_NOT_FOUND", walletId });
      const status = statusAskedFor[message.status];
      const { rows, nextPageToken } = await readPage(message, (page) =>
        parts.pool.read((sql) => listHolds(sql, { ...page, walletId, ...(status && { status }) })),
      );
      return { holds: rows.map(holdMessage), nextPageToken };
    },
  };
}
