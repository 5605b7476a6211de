import { readFile } from "node:fs/promises";
import path from "node:path";
import { Code } from "@connectrpc/connect";
import { errorMetadata, errorReason, errorViolations } from "@pelikuni/runtime/rpc-errors";
import { afterAll, beforeAll, expect, test } from "vitest";
import { errorOf, type OperationsBed, startOperationsBed } from "./operations-bed.ts";
import { refusedHolds } from "./refused-holds.ts";
import { refusedMovements } from "./refused-movements.ts";
import { refusedWallets } from "./refused-wallets.ts";

let bed: OperationsBed;
beforeAll(async () => {
  bed = await startOperationsBed();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

const rows = [...refusedMovements, ...refusedWallets, ...refusedHolds];

test.each(rows.map((one) => [`${one.reason}: ${one.name}`, one] as const))(
  "%s is refused, says what to change, and nothing changes",
  async (_, { reason, code, message, prepare }) => {
    const { call, metadata = {} } = await prepare(bed);
    const before = await bed.everything();
    const error = await errorOf(call());
    expect([errorReason(error), error.code]).toEqual([reason, code]);
    if (typeof message === "string") expect(error.rawMessage).toBe(message);
    else expect(error.rawMessage).toMatch(message);
    expect(errorMetadata(error)).toEqual(metadata);
    const isField = reason === "INVALID_FIELD";
    expect(errorViolations(error).length).toBe(isField ? 1 : 0);
    expect(await bed.everything()).toBe(before);
  },
);

/** Reasons that say that nobody may ask, or that nothing is there to decide; tested elsewhere. */
const faults = [
  "OVERLOADED",
  "RATE_LIMITED",
  "DATABASE_UNAVAILABLE",
  "OUTCOME_UNKNOWN",
  "UNAUTHENTICATED",
  "PERMISSION_DENIED",
  "AUTHENTICATION_UNAVAILABLE",
  "MALFORMED_MESSAGE",
  "MESSAGE_TOO_LARGE",
  "STOPPING",
  "INTERNAL",
];

test("every refusal of the contract's table stands here, with its code", async () => {
  const contract = path.resolve(
    import.meta.dirname,
    "../../proto/pelikuni/wallet/v1/wallet_service.proto",
  );
  const table = (await readFile(contract, "utf8")).matchAll(/^\/\/ {3}([A-Z_]+) +([A-Z_]+) +/gm);
  const promised = new Map([...table].map(([, reason = "", code = ""]) => [reason, code]));
  for (const fault of faults) expect(promised.delete(fault)).toBe(true);
  const codeName = (code: Code) => (Code[code] ?? "").replace(/(?<=.)[A-Z]/g, "_$&").toUpperCase();
  const tested = new Map(rows.map(({ reason, code }) => [reason, codeName(code)]));
  expect(tested).toEqual(promised);
});
