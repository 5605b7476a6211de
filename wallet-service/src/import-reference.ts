import { namedUuid } from "./request-key.ts";

/** The account that imported balances come from. */
export const importAccount = "import";

/**
 * The reference of the funding that brings a wallet's balance over. A reference acts once, for ever,
 * whereas request keys are forgotten: no balance comes over twice, however often a run is repeated.
 */
export function importReferenceOf(walletId: string): string {
  return walletId;
}

/** The hash under which a wallet's reference is known once it has acted. */
export function importReferenceHash(walletId: string): string {
  return namedUuid(importAccount, importReferenceOf(walletId));
}
