import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { createFileRegistry, fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema, MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AccessBed, startAccessBed } from "../src/access-bed.ts";
import { checkDoors, type Door, type TriedDoor } from "../src/access-check.ts";
import { type AccessRow, historyRows, walletRows } from "../src/access-rows.ts";
import { prepareTries } from "../src/access-tries.ts";
import { callRpc, type RpcWay } from "../src/rpc-ways.ts";

const rows = [...walletRows, ...historyRows];
let bed: AccessBed;
let tries: Awaited<ReturnType<typeof prepareTries>>;
let cells = 0;

beforeAll(async () => {
  bed = await startAccessBed();
  tries = await prepareTries(bed);
});

afterAll(async () => {
  process.stdout.write(`Methods × protocols × callers: ${cells} cells\n`);
  await bed[Symbol.asyncDispose]();
});

test("every method of the contract has a row", async () => {
  const file = fileURLToPath(import.meta.resolve("@pelikuni/gen/descriptors.binpb"));
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, await readFile(file)));
  const methods = [...registry].flatMap((each) =>
    each.kind === "service" && each.typeName.startsWith("pelikuni.")
      ? each.methods.map(({ name }) => `${each.typeName}/${name}`)
      : [],
  );
  expect(new Set(rows.map(({ name }) => name))).toEqual(new Set(methods));
});

describe.each(rows.map((row) => [row.name, row] as const))("%s", (_, row) => {
  test("answers each caller as it should, and a refused one changes nothing", async () => {
    const isWalletRow = walletRows.includes(row);
    const ways = isWalletRow ? bed.walletWays : bed.historyWays;
    const triedWays = ways.filter(({ name }) => name !== "Connect by GET" || hasGet(row));
    const doors = await Promise.all(
      triedWays.map(async (way): Promise<TriedDoor> => {
        return { name: way.name, door: doorOf(row, way), tries: await tries.triesOf(row) };
      }),
    );
    if (!isWalletRow) await bed.settle();
    const checked = await checkDoors(doors, row, bed.readWritten);
    cells += checked.cells;
    expect(checked.findings).toEqual([]);
  });
});

function hasGet({ method }: AccessRow): boolean {
  const isRead = method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS;
  return isRead && method.methodKind === "unary";
}

function doorOf({ method, requestFor }: AccessRow, way: RpcWay): Door {
  return {
    ask: async (belongings, authorization) => {
      const headers = new Headers(authorization === undefined ? {} : { authorization });
      const answer = await callRpc(way, method, requestFor(belongings), headers);
      const { code, reason, message } = answer;
      if (code !== "OK") return { outcome: `${code} ${reason}`, shown: answer.shown };
      const bytes = message === undefined ? [] : toBinary(method.output, message);
      return { outcome: code, shown: Buffer.from(bytes).toString("latin1") };
    },
    refused: (reason) => `${codeNames[reason] ?? notFoundName(reason)} ${reason}`,
  };
}

const codeNames: Readonly<Record<string, string>> = {
  UNAUTHENTICATED: Code[Code.Unauthenticated],
  PERMISSION_DENIED: Code[Code.PermissionDenied],
  OPEN_HOLDS: Code[Code.FailedPrecondition],
};

function notFoundName(reason: string): string {
  if (!reason.endsWith("_NOT_FOUND")) throw new Error(`Which code has ${reason}?`);
  return Code[Code.NotFound];
}
