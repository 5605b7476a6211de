import type { AccessRule } from "./access-check.ts";
import type { Belongings } from "./belongings.ts";

/** A request to a route. */
export interface RestRequest {
  readonly method: string;
  readonly path: string;
  readonly body?: object;
}

/** Who may use one route, written down a second time beside the contract. */
export interface AccessRoute extends AccessRule {
  /** Method and path as /openapi.json has them, for example "GET /wallets/{id}". */
  readonly name: string;
  /** A request that concerns what belongs to somebody. */
  readonly requestFor: (belongings: Belongings) => RestRequest;
}

type Request = (belongings: Belongings) => { readonly path: string; readonly body?: object };

const hourMs = 3_600_000;
const fundable = { scope: "wallets:fund" };
const heldable = { scope: "holds:write" };
const freezable = { scope: "wallets:freeze" };
const administer = { scope: "admin" };
const auditable = { scope: "history:read" };
const ownWallet = { scope: "wallets:read", foreign: "WALLET_NOT_FOUND" } as const;
const ownHistory = { scope: "history:read", foreign: "WALLET_NOT_FOUND" } as const;
const movement = { amount: "1" };

/** All routes. */
export const accessRoutes: readonly AccessRoute[] = [
  route("GET /health", { open: true }, () => ({ path: "/health" })),
  route(
    "POST /wallets",
    { scope: "wallets:write", foreign: "PERMISSION_DENIED" },
    ({ userId }) => ({ path: "/wallets", body: { user_id: userId } }),
  ),
  route("GET /wallets", { scope: "wallets:read", foreign: "left out" }, () => ({
    path: "/wallets",
  })),
  route(
    "GET /users/{user_id}/wallets",
    { scope: "wallets:read", foreign: "left out" },
    ({ userId }) => ({ path: `/users/${userId}/wallets` }),
  ),
  route("GET /wallets/{id}", ownWallet, ({ walletId }) => ({ path: `/wallets/${walletId}` })),
  route("PATCH /wallets/{id}", { scope: "wallets:write" }, ({ walletId }) => ({
    path: `/wallets/${walletId}`,
    body: { metadata: { tier: "gold" } },
  })),
  route("POST /wallets/{id}/fund", fundable, ({ walletId }) => ({
    path: `/wallets/${walletId}/fund`,
    body: movement,
  })),
  route(
    "POST /wallets/{id}/transfer",
    { scope: "transfers:write", foreign: "WALLET_NOT_FOUND" },
    ({ walletId, receiverId }) => ({
      path: `/wallets/${walletId}/transfer`,
      body: { to_wallet_id: receiverId, ...movement },
    }),
  ),
  route("POST /wallets/{id}/withdraw", { scope: "wallets:withdraw" }, ({ walletId }) => ({
    path: `/wallets/${walletId}/withdraw`,
    body: movement,
  })),
  route("POST /wallets/{id}/freeze", freezable, ({ walletId }) => ({
    path: `/wallets/${walletId}/freeze`,
    body: {},
  })),
  route("POST /wallets/{id}/unfreeze", freezable, ({ walletId }) => ({
    path: `/wallets/${walletId}/unfreeze`,
    body: {},
  })),
  route(
    "POST /wallets/{id}/close",
    { scope: "wallets:write", refusal: "OPEN_HOLDS" },
    ({ walletId }) => ({ path: `/wallets/${walletId}/close`, body: {} }),
  ),
  route("POST /wallets/{id}/holds", heldable, ({ walletId }) => ({
    path: `/wallets/${walletId}/holds`,
    body: { ...movement, expire_time: new Date(Date.now() + hourMs).toISOString() },
  })),
  route("GET /wallets/{id}/holds", ownWallet, ({ walletId }) => ({
    path: `/wallets/${walletId}/holds`,
  })),
  route(
    "GET /holds/{hold_id}",
    { scope: "wallets:read", foreign: "HOLD_NOT_FOUND" },
    ({ holdId }) => ({ path: `/holds/${holdId}` }),
  ),
  route("POST /holds/{hold_id}/capture", heldable, ({ holdId, receiverId }) => ({
    path: `/holds/${holdId}/capture`,
    body: { to_wallet_id: receiverId, ...movement },
  })),
  route("POST /holds/{hold_id}/release", heldable, ({ holdId }) => ({
    path: `/holds/${holdId}/release`,
    body: {},
  })),
  route("POST /transactions", { scope: "transactions:write" }, ({ walletId, receiverId }) => ({
    path: "/transactions",
    body: { legs: [{ from: side(walletId), to: side(receiverId), ...movement }] },
  })),
  route(
    "POST /transactions/{transaction_id}/reverse",
    { scope: "transactions:reverse" },
    ({ transactionId }) => ({ path: `/transactions/${transactionId}/reverse`, body: {} }),
  ),
  route(
    "GET /transactions/{transaction_id}",
    { scope: "history:read", foreign: "TRANSACTION_NOT_FOUND" },
    ({ transactionId }) => ({ path: `/transactions/${transactionId}` }),
  ),
  route("GET /wallets/{id}/history", ownHistory, ({ walletId }) => ({
    path: `/wallets/${walletId}/history`,
  })),
  route("GET /wallets/{id}/balance", ownHistory, ({ walletId }) => ({
    path: `/wallets/${walletId}/balance`,
  })),
  route("GET /wallets/{id}/statement", ownHistory, ({ walletId }) => ({
    path: `/wallets/${walletId}/statement?from=1970-01-01&to=2100-01-01`,
  })),
  route("GET /currencies", {}, () => ({ path: "/currencies" })),
  route("GET /accounts", {}, () => ({ path: "/accounts" })),
  route("GET /accounts/{account}/total", auditable, () => ({
    path: "/accounts/external/total?currency=USD",
  })),
  route("GET /accounts/{account}/entries", auditable, () => ({
    path: "/accounts/external/entries",
  })),
  route("POST /api-keys", administer, ({ userId }) => ({
    path: "/api-keys",
    body: { owner: userId, scopes: ["admin"] },
  })),
  route("GET /api-keys", administer, () => ({ path: "/api-keys" })),
  route("POST /api-keys/{api_key_id}/revoke", administer, ({ apiKeyId }) => ({
    path: `/api-keys/${apiKeyId}/revoke`,
    body: {},
  })),
];

function route(name: string, rule: AccessRule, request: Request): AccessRoute {
  const [method = "GET"] = name.split(" ");
  return { name, ...rule, requestFor: (belongings) => ({ method, ...request(belongings) }) };
}

function side(wallet_id: string): { readonly wallet_id: string } {
  return { wallet_id };
}
