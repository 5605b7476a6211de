import { expect, test } from "vitest";
import { zero } from "./money.ts";
import { createWalletCache } from "./wallet-cache.ts";
import type { RecordedWallet } from "./wallet-events.ts";

function wallet(id: string, version = 0n): RecordedWallet {
  return {
    id,
    userId: "alice",
    currency: "USD",
    balance: zero,
    held: zero,
    status: "ACTIVE",
    transferLimit: undefined,
    version,
    head: new Uint8Array(32),
    createTimeMs: 0,
    updateTimeMs: 0,
  };
}

test("a full cache forgets the wallet that was unused for longest", () => {
  const cache = createWalletCache(2);
  cache.keep(wallet("a"));
  cache.keep(wallet("b"));
  expect(cache.get("a")).toBeDefined();
  cache.keep(wallet("c"));
  expect(cache.get("b")).toBeUndefined();
  expect(cache.get("a")).toBeDefined();
  expect(cache.get("c")).toBeDefined();
});

test("the state kept last counts, and takes no second place", () => {
  const cache = createWalletCache(2);
  cache.keep(wallet("a"));
  cache.keep(wallet("b"));
  cache.keep(wallet("a", 1n));
  expect(cache.get("a")?.version).toBe(1n);
  expect(cache.get("b")).toBeDefined();
});

test("a cleared cache knows nothing", () => {
  const cache = createWalletCache(2);
  cache.keep(wallet("a"));
  cache.clear();
  expect(cache.get("a")).toBeUndefined();
});
