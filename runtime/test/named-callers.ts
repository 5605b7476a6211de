import type { CallOptions } from "@connectrpc/connect";
import { apiKeyIssuer, type Caller } from "../src/access/caller.ts";

/** A machine that may do everything. */
export function callerNamed(subject: string): Caller {
  const scopes = { has: () => true };
  return { issuer: apiKeyIssuer, subject, client: "key", scopes, isUser: false };
}

/** Such machines by their API keys. */
export function callersNamed(...names: readonly string[]): ReadonlyMap<string, Caller> {
  return new Map(names.map((name) => [`pelikuni_${name}`, callerNamed(name)]));
}

/** Calls as the one of this name. */
export function as(name: string): CallOptions {
  return { headers: { authorization: `Bearer pelikuni_${name}` } };
}
