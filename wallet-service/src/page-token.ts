import { validate } from "uuid";
import type { PageStart } from "./wallet-store.ts";

// The end of the year 9999, the last that Postgres reads in this form.
const timeMsMax = 253_402_300_799_999;
const tokenPattern = /^([0-9]{1,15})~([0-9a-f-]{36})$/;

/** Writes where the next page begins; opaque to callers. */
export function formatPageToken({ createTimeMs, id }: PageStart): string {
  return Buffer.from(`${createTimeMs}~${id}`, "utf8").toString("base64url");
}

/** Reads what `formatPageToken` wrote; `undefined` for anything else. */
export function parsePageToken(token: string): PageStart | undefined {
  const [, createTimeMs, id] =
    tokenPattern.exec(Buffer.from(token, "base64url").toString("utf8")) ?? [];
  if (id === undefined || !validate(id) || Number(createTimeMs) > timeMsMax) return undefined;
  return { createTimeMs: Number(createTimeMs), id };
}
