import { create, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ApiKeyService } from "@pelikuni/gen/auth/v1/api_key_service_pb";
import { HistoryService } from "@pelikuni/gen/history/v1/history_service_pb";
import { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import type { AccessRule } from "./access-check.ts";
import type { Belongings } from "./belongings.ts";
import type { CallableMethod } from "./rpc-ways.ts";

/** Who may call one method, written down a second time beside the contract. */
export interface AccessRow extends AccessRule {
  /** The method's full name, for example `pelikuni.wallet.v1.WalletService/GetWallet`. */
  readonly name: string;
  readonly method: CallableMethod;
  /** A request that concerns what belongs to somebody. */
  readonly requestFor: (belongings: Belongings) => Message;
}

interface RowOptions<Method extends CallableMethod> extends AccessRule {
  readonly request?: (belongings: Belongings) => MessageInitShape<Method["input"]>;
}

const wallet = WalletService.method;
const history = HistoryService.method;
const apiKey = ApiKeyService.method;
const hourMs = 3_600_000;
const read = { scope: "history:read" };
const administer = { scope: "admin" };

/** All methods of the wallet-service. */
export const walletRows: readonly AccessRow[] = [
  row(wallet.createWallet, {
    scope: "wallets:write",
    foreign: "PERMISSION_DENIED",
    request: ({ userId }) => ({ userId }),
  }),
  row(wallet.getWallet, {
    scope: "wallets:read",
    foreign: "WALLET_NOT_FOUND",
    request: ({ walletId }) => ({ walletId }),
  }),
  row(wallet.listWallets, {
    scope: "wallets:read",
    foreign: "left out",
    request: ({ userId }) => ({ userId }),
  }),
  row(wallet.fundWallet, {
    scope: "wallets:fund",
    request: ({ walletId }) => ({ walletId, amount: "1" }),
  }),
  row(wallet.transfer, {
    scope: "transfers:write",
    foreign: "WALLET_NOT_FOUND",
    request: ({ walletId, receiverId }) => ({
      fromWalletId: walletId,
      toWalletId: receiverId,
      amount: "1",
    }),
  }),
  row(wallet.withdraw, {
    scope: "wallets:withdraw",
    request: ({ walletId }) => ({ walletId, amount: "1" }),
  }),
  row(wallet.postTransaction, {
    scope: "transactions:write",
    request: ({ walletId, receiverId }) => ({
      legs: [{ from: walletSide(walletId), to: walletSide(receiverId), amount: "1" }],
    }),
  }),
  row(wallet.reverseTransaction, {
    scope: "transactions:reverse",
    request: ({ transactionId }) => ({ transactionId }),
  }),
  row(wallet.placeHold, {
    scope: "holds:write",
    request: ({ walletId }) => ({
      walletId,
      amount: "1",
      expireTime: timestampFromMs(Date.now() + hourMs),
    }),
  }),
  row(wallet.captureHold, {
    scope: "holds:write",
    request: ({ holdId, receiverId }) => ({
      holdId,
      payments: [{ to: walletSide(receiverId), amount: "1" }],
    }),
  }),
  row(wallet.releaseHold, {
    scope: "holds:write",
    request: ({ holdId }) => ({ holdId }),
  }),
  row(wallet.getHold, {
    scope: "wallets:read",
    foreign: "HOLD_NOT_FOUND",
    request: ({ holdId }) => ({ holdId }),
  }),
  row(wallet.listHolds, {
    scope: "wallets:read",
    foreign: "WALLET_NOT_FOUND",
    request: ({ walletId }) => ({ walletId }),
  }),
  row(wallet.freezeWallet, {
    scope: "wallets:freeze",
    request: ({ walletId }) => ({ walletId }),
  }),
  row(wallet.unfreezeWallet, {
    scope: "wallets:freeze",
    request: ({ walletId }) => ({ walletId }),
  }),
  row(wallet.closeWallet, {
    scope: "wallets:write",
    refusal: "OPEN_HOLDS",
    request: ({ walletId }) => ({ walletId }),
  }),
  row(wallet.updateWallet, {
    scope: "wallets:write",
    request: ({ walletId }) => ({
      walletId,
      settings: { metadata: { tier: "gold" } },
      updateMask: { paths: ["metadata"] },
    }),
  }),
  row(wallet.listCurrencies, {}),
  row(wallet.listAccounts, {}),
  row(wallet.batchTransfer, {
    scope: "transfers:write",
    foreign: "left out",
    request: ({ walletId, receiverId }) => ({
      transfers: [{ fromWalletId: walletId, toWalletId: receiverId, amount: "1" }],
    }),
  }),
  row(wallet.subscribeEvents, read),
  row(wallet.getLastPosition, read),
  row(wallet.snapshotWallets, read),
  row(apiKey.createApiKey, {
    ...administer,
    request: ({ userId }) => ({ owner: userId, scopes: ["admin"] }),
  }),
  row(apiKey.listApiKeys, administer),
  row(apiKey.revokeApiKey, { ...administer, request: ({ apiKeyId }) => ({ id: apiKeyId }) }),
  row(apiKey.checkApiKeys, {
    scope: "api_keys:check",
    request: () => ({ secretHashes: [new Uint8Array(32)] }),
  }),
];

/** All methods of the history-service. */
export const historyRows: readonly AccessRow[] = [
  row(history.listEntries, {
    ...read,
    foreign: "WALLET_NOT_FOUND",
    request: ({ walletId }) => ({ walletId }),
  }),
  row(history.getTransaction, {
    ...read,
    foreign: "TRANSACTION_NOT_FOUND",
    request: ({ transactionId }) => ({ transactionId }),
  }),
  row(history.getBalanceAt, {
    ...read,
    foreign: "WALLET_NOT_FOUND",
    request: ({ walletId }) => ({ walletId }),
  }),
  row(history.getStatement, {
    ...read,
    foreign: "WALLET_NOT_FOUND",
    request: ({ walletId }) => ({
      walletId,
      from: timestampFromMs(0),
      to: timestampFromMs(Date.now() + hourMs),
    }),
  }),
  row(history.watchWallet, {
    ...read,
    foreign: "silence",
    request: ({ walletId }) => ({ walletId }),
  }),
  row(history.verifyWallet, { ...read, request: ({ walletId }) => ({ walletId }) }),
  row(history.verifyJournal, read),
  row(history.getCompleteness, read),
  row(history.reconcile, read),
  row(history.listParkedEvents, read),
  row(history.getAccountTotal, {
    ...read,
    request: () => ({ account: "external", currency: "USD" }),
  }),
  row(history.listAccountEntries, { ...read, request: () => ({ account: "external" }) }),
  row(history.replayParkedEvent, {
    ...administer,
    request: () => ({ id: 1n }),
  }),
];

function row<Method extends CallableMethod>(
  method: Method,
  { request, ...rule }: RowOptions<Method>,
): AccessRow {
  return {
    ...rule,
    name: `${method.parent.typeName}/${method.name}`,
    method,
    requestFor: (belongings) => create(method.input, request?.(belongings)),
  };
}

function walletSide(value: string): { readonly side: { case: "walletId"; value: string } } {
  return { side: { case: "walletId", value } };
}
