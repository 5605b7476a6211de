import type { ServiceImpl } from "@connectrpc/connect";
import {
  FreezeScope,
  type UpdateWalletRequest,
  type WalletService,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { ownUserOf } from "@pelikuni/runtime/access/caller";
import { createBatchReader } from "@pelikuni/runtime/batch-reader";
import { invalidFields } from "@pelikuni/runtime/rpc-validation";
import { mapInSlices } from "@pelikuni/runtime/slices";
import { expect, type UpdateWallet } from "../decide/command.ts";
import { formatAmount } from "../money.ts";
import { refusalError } from "../wallet-errors.ts";
import { findKeptWallets, listWallets } from "../wallet-store.ts";
import { type CommandRunner, trusted } from "./command-runner.ts";
import { settingsMessage, sideOf, walletMessage } from "./messages.ts";
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
      const { receipt, wallet } = await run(command, message, context);
      return { receipt, wallet };
    },

    async getWallet(message) {
      const walletId = message.walletId.toLowerCase();
      const kept = await orUnavailable(keptWallets.read(walletId));
      if (kept === undefined) throw refusalError({ reason: "WALLET_NOT_FOUND", walletId });
      const { wallet, metadata } = kept;
      const settings = settingsMessage({ metadata, transferLimit: wallet.transferLimit });
      return { wallet: walletMessage(wallet), settings };
    },

    async listWallets({ userId, ...page }, context) {
      const own = ownUserOf(context);
      const asked = userId || own;
      const ofUser = asked === undefined ? {} : { userId: asked };
      const { rows, nextPageToken } = await readPage(page, async (wanted) =>
        // Another user's wallets are answered as those of one who has none.
        own !== undefined && asked !== own
          ? []
          : await pool.read((sql) => listWallets(sql, { ...wanted, ...ofUser })),
      );
      return { wallets: await mapInSlices(rows, walletMessage), nextPageToken };
    },

    async freezeWallet(message, context) {
      const { scope, reason, expectedVersion } = message;
      const walletId = message.walletId.toLowerCase();
      const status = scope === FreezeScope.OUTGOING ? "FROZEN_OUTGOING" : "FROZEN";
      const expected = expect(walletId, expectedVersion);
      const command = { kind: "changeStatus", walletId, status, reason, ...expected } as const;
      const { receipt, wallet } = await run(command, message, context);
      return { receipt, wallet };
    },

    async unfreezeWallet(message, context) {
      const { reason, expectedVersion } = message;
      const walletId = message.walletId.toLowerCase();
      const expected = expect(walletId, expectedVersion);
      const status = "ACTIVE";
      const command = { kind: "changeStatus", walletId, status, reason, ...expected } as const;
      const { receipt, wallet } = await run(command, message, context);
      return { receipt, wallet };
    },

    async closeWallet(message, context) {
      const { sweepTo, reason, expectedVersion } = message;
      const walletId = message.walletId.toLowerCase();
      const sweep = sweepTo && { sweepTo: sideOf(sweepTo) };
      const expected = expect(walletId, expectedVersion);
      const command = { kind: "closeWallet", walletId, reason, ...sweep, ...expected } as const;
      const { receipt, wallets } = await run(command, message, context);
      return { receipt, wallets };
    },

    async updateWallet(message, context) {
      const { receipt, wallet, items } = await run(updateCommand(message), message, context);
      if (items.settings === undefined) throw new Error("An answer lacks its settings.");
      return { receipt, wallet, settings: settingsMessage(items.settings) };
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
