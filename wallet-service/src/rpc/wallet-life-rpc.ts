import type { ServiceImpl } from "@connectrpc/connect";
import {
  FreezeScope,
  type UpdateWalletRequest,
  type WalletService,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { createBatchReader } from "@pelikuni/runtime/batch-reader";
import { invalidFields } from "@pelikuni/runtime/rpc-validation";
import { expect, type UpdateWallet } from "../decide/command.ts";
import { formatAmount } from "../money.ts";
import { refusalError } from "../wallet-errors.ts";
import { findKeptWallets, listWallets } from "../wallet-store.ts";
import { type CommandRunner, trusted } from "./command-runner.ts";
import { receiptOf, settingsMessage, sideOf, walletMessage } from "./messages.ts";
import { orUnavailable, readPage } from "./reads.ts";
import type { WalletRpcParts } from "./wallet-rpc.ts";

type Handlers = Pick<
  ServiceImpl<typeof WalletService>,
  | "createWallet"
  | "getWallet"
  | "listWallets"
  | "freezeWallet"
  | "unfreezeWallet"
  | "closeWallet"
  | "updateWallet"
  | "listCurrencies"
  | "listAccounts"
>;

const defaultCurrency = "USD";
const updatablePaths = ["metadata", "limits", "limits.single_transfer_max"];

/** The handlers of wallets from their creation to their closing. */
export function walletLifeRpc(parts: WalletRpcParts, { run }: CommandRunner): Handlers {
  const { pool } = parts;
  const keptWallets = createBatchReader((ids) => pool.read((sql) => findKeptWallets(sql, ids)));
  return {
    async createWallet(message, context) {
      const { userId, currency } = message;
      const walletId = parts.newId();
      const kind = "createWallet";
      const command = { kind, walletId, userId, currency: currency || defaultCurrency } as const;
      const answer = await run(command, message, context);
      return { receipt: receiptOf(answer), wallet: walletMessage(answer.wallets[0]) };
    },

    async getWallet(message) {
      const walletId = message.walletId.toLowerCase();
      const kept = await orUnavailable(keptWallets.read(walletId));
      if (kept === undefined) throw refusalError({ reason: "WALLET_NOT_FOUND", walletId });
      const { wallet, metadata } = kept;
      const settings = settingsMessage({ metadata, transferLimit: wallet.transferLimit });
      return { wallet: walletMessage(wallet), settings };
    },

    async listWallets({ userId, ...page }) {
      const ofUser = userId === "" ? {} : { userId };
      const { rows, nextPageToken } = await readPage(page, (wanted) =>
        pool.read((sql) => listWallets(sql, { ...wanted, ...ofUser })),
      );
      return { wallets: rows.map(walletMessage), nextPageToken };
    },

    async freezeWallet(message, context) {
      const { scope, reason, expectedVersion } = message;
      const walletId = message.walletId.toLowerCase();
      const status = scope === FreezeScope.OUTGOING ? "FROZEN_OUTGOING" : "FROZEN";
      const expected = expect(walletId, expectedVersion);
      const command = { kind: "changeStatus", walletId, status, reason, ...expected } as const;
      const answer = await run(command, message, context);
      return { receipt: receiptOf(answer), wallet: walletMessage(answer.wallets[0]) };
    },

    async unfreezeWallet(message, context) {
      const { reason, expectedVersion } = message;
      const walletId = message.walletId.toLowerCase();
      const expected = expect(walletId, expectedVersion);
      const status = "ACTIVE";
      const command = { kind: "changeStatus", walletId, status, reason, ...expected } as const;
      const answer = await run(command, message, context);
      return { receipt: receiptOf(answer), wallet: walletMessage(answer.wallets[0]) };
    },

    async closeWallet(message, context) {
      const { sweepTo, reason, expectedVersion } = message;
      const walletId = message.walletId.toLowerCase();
      const sweep = sweepTo && { sweepTo: sideOf(sweepTo) };
      const expected = expect(walletId, expectedVersion);
      const command = { kind: "closeWallet", walletId, reason, ...sweep, ...expected } as const;
      const answer = await run(command, message, context);
      return { receipt: receiptOf(answer), wallets: answer.wallets.map(walletMessage) };
    },

    async updateWallet(message, context) {
      const answer = await run(updateCommand(message), message, context);
      const { settings } = answer.items;
      if (settings === undefined) throw new Error("An answer lacks its settings.");
      return {
        receipt: receiptOf(answer),
        wallet: walletMessage(answer.wallets[0]),
        settings: settingsMessage(settings),
      };
    },

    listCurrencies() {
      const currencies = [...parts.currencies].map(([code, settings]) => {
        const { decimals, transfer_amount_max: max } = settings;
        return { code, decimals, transferAmountMax: max ? formatAmount(trusted(max)) : "" };
      });
      return { currencies: currencies.sort((one, other) => (one.code < other.code ? -1 : 1)) };
    },

    listAccounts() {
      return { accounts: parts.accounts.toSorted() };
    },
  };
}

function updateCommand(message: UpdateWalletRequest): UpdateWallet {
  const { settings, updateMask, expectedVersion } = message;
  const paths = updateMask?.paths ?? [];
  if (paths.length === 0 || paths.some((path) => !updatablePaths.includes(path))) {
    const description = `must name one or more of ${updatablePaths.join(", ")}`;
    throw invalidFields([{ field: "update_mask", description }]);
  }
  const limit = settings?.limits?.singleTransferMax ?? "";
  const walletId = message.walletId.toLowerCase();
  return {
    kind: "updateWallet",
    walletId,
    ...(paths.includes("metadata") && { metadata: settings?.metadata ?? {} }),
    ...(paths.some((path) => path.startsWith("limits")) && {
      transferLimit: limit === "" ? "none" : trusted(limit),
    }),
    ...expect(walletId, expectedVersion),
  };
}
