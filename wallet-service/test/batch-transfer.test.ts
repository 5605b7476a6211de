import { Code } from "@connectrpc/connect";
import { StatusSchema } from "@pelikuni/gen/google/rpc/status_pb";
import { errorViolations } from "@pelikuni/runtime/rpc-errors";
import { v7 } from "uuid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { errorOf } from "./operations-bed.ts";
import { type Calls, createWallet, type ServiceBed, startServiceBed } from "./test-service.ts";

let bed: ServiceBed;
beforeAll(async () => {
  bed = await startServiceBed();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

describe.each(["grpc", "inProcess"] as const)("over %s", (way) => {
  let calls: Calls;
  beforeAll(() => {
    calls = bed[way];
  });

  test("a batch succeeds or fails item by item, in order, each as a single transfer would", async () => {
    const from = await createWallet(calls, "alice", "10");
    const to = await createWallet(calls, "bob");
    const transfer = { fromWalletId: from, toWalletId: to };
    const requestId = v7();
    const { results } = await calls.batchTransfer({
      transfers: [
        { ...transfer, amount: "4", requestId },
        { ...transfer, amount: "7" },
        { ...transfer, amount: "4", requestId },
        { ...transfer, amount: "5", requestId },
        { ...transfer, toWalletId: from, amount: "1" },
        { ...transfer, amount: "6" },
      ],
    });
    const told = results.map(({ result }) =>
      result.case === "transfer" ? result.value.fromWallet?.balance : result.value?.message,
    );
    expect(told).toEqual([
      "6.0000",
      "Insufficient balance",
      "6.0000",
      "This idempotency key (request_id) was used for a call with other input; choose a new one",
      "Cannot transfer to the same wallet",
      "0.0000",
    ]);
    expect(results[2]).toEqual(results[0]);
    const single = await calls.transfer({ ...transfer, amount: "4", requestId });
    expect(results[0]?.result).toEqual({ case: "transfer", value: single });
    const refused = results[1]?.result.value;
    expect(refused?.$typeName).toBe(StatusSchema.typeName);
    if (refused?.$typeName !== StatusSchema.typeName) return;
    expect(refused.code).toBe(Code.FailedPrecondition);
    expect(refused.details.map(({ typeUrl }) => typeUrl)).toEqual([
      "type.googleapis.com/google.rpc.ErrorInfo",
    ]);
  });

  test("one malformed item refuses the whole batch, and names its place", async () => {
    const from = await createWallet(calls, "alice", "10");
    const to = await createWallet(calls, "bob");
    const good = { fromWalletId: from, toWalletId: to, amount: "1" };
    const error = await errorOf(
      calls.batchTransfer({
        transfers: [good, { ...good, amount: "0" }, { ...good, toWalletId: "x" }],
      }),
    );
    expect(errorViolations(error).map(({ field }) => field)).toEqual([
      "transfers[1].amount",
      "transfers[2].to_wallet_id",
    ]);
    expect((await calls.getWallet({ walletId: from })).wallet?.balance).toBe("10.0000");
  });
});

test("a queue without room takes none of a batch: OVERLOADED, and nothing was done", async () => {
  await using small = await startServiceBed();
  const from = await createWallet(small.inProcess, "alice", "10000");
  const to = await createWallet(small.inProcess, "bob");
  const transfers = Array.from({ length: 600 }, () => {
    return { fromWalletId: from, toWalletId: to, amount: "1", requestId: v7() };
  });
  const [first, second] = await Promise.all([
    small.inProcess.batchTransfer({ transfers }),
    small.inProcess.batchTransfer({
      transfers: transfers.map((item) => ({ ...item, requestId: v7() })),
    }),
  ]);
  expect(first.results.every(({ result }) => result.case === "transfer")).toBe(true);
  for (const { result } of second.results) {
    expect(result.case).toBe("error");
    expect(result.value).toMatchObject({ code: Code.Unavailable });
  }
  expect((await small.inProcess.getWallet({ walletId: to })).wallet?.balance).toBe("600.0000");
});

test("Connect as JSON spells out why items of a batch were refused", async () => {
  const from = await createWallet(bed.inProcess, "alice", "10");
  const to = await createWallet(bed.inProcess, "bob");
  const transfer = { fromWalletId: from, toWalletId: to };
  const response = await fetch(
    `http://127.0.0.1:${bed.httpPort}/pelikuni.wallet.v1.WalletService/BatchTransfer`,
    {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        transfers: [
          { ...transfer, amount: "4" },
          { ...transfer, amount: "7" },
        ],
      }),
    },
  );
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({
    results: [
      { transfer: { fromWallet: { balance: "6.0000" } } },
      { error: { message: "Insufficient balance", details: [{ reason: "INSUFFICIENT_BALANCE" }] } },
    ],
  });
});
