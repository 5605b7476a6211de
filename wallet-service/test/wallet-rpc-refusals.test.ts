import { Code } from "@connectrpc/connect";
import { errorMetadata, errorReason } from "@pelikuni/runtime/rpc-errors";
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

const farFuture = Buffer.from(`999999999999999~${v7()}`).toString("base64url");

describe.each(["grpc", "inProcess"] as const)("over %s", (way) => {
  let calls: Calls;
  beforeAll(() => {
    calls = bed[way];
  });

  test("a request_id that was used with other input is refused", async () => {
    const walletId = await createWallet(calls, "alice");
    const requestId = v7();
    await calls.fundWallet({ walletId, amount: "10", requestId });
    const error = await errorOf(calls.fundWallet({ walletId, amount: "11", requestId }));
    expect([error.code, errorReason(error)]).toEqual([Code.AlreadyExists, "REQUEST_ID_REUSED"]);
  });

  test("a refused call leaves its request_id unused", async () => {
    const from = await createWallet(calls, "alice", "1");
    const transfer = {
      fromWalletId: from,
      toWalletId: await createWallet(calls, "bob"),
      amount: "5",
      requestId: v7(),
    };
    expect(errorReason(await errorOf(calls.transfer(transfer)))).toBe("INSUFFICIENT_BALANCE");
    await calls.fundWallet({ walletId: from, amount: "4" });
    expect((await calls.transfer(transfer)).fromWallet?.balance).toBe("0.0000");
  });

  test("each refusal has its code, reason and wording, and changes nothing", async () => {
    const from = await createWallet(calls, "alice", "1");
    const to = await createWallet(calls, "bob");
    const euro = await createWallet(calls, "bob", "", "EUR");
    const absent = v7();
    const transfer = { fromWalletId: from, toWalletId: to, amount: "1" };
    const full = await createWallet(calls, "rich", "999999999999999.9999");
    const refusals: [() => Promise<unknown>, Code, string, string | RegExp][] = [
      [
        () => calls.transfer({ ...transfer, amount: "1.0001" }),
        Code.FailedPrecondition,
        "INSUFFICIENT_BALANCE",
        "Insufficient balance",
      ],
      [
        () => calls.transfer({ ...transfer, toWalletId: from.toUpperCase() }),
        Code.InvalidArgument,
        "SAME_WALLET",
        "Cannot transfer to the same wallet",
      ],
      [
        () => calls.transfer({ ...transfer, toWalletId: absent }),
        Code.NotFound,
        "WALLET_NOT_FOUND",
        "Wallet not found",
      ],
      [
        () => calls.getWallet({ walletId: absent }),
        Code.NotFound,
        "WALLET_NOT_FOUND",
        "Wallet not found",
      ],
      [
        () => calls.transfer({ ...transfer, toWalletId: euro }),
        Code.FailedPrecondition,
        "CURRENCY_MISMATCH",
        /different currencies/,
      ],
      [
        () => calls.transfer({ ...transfer, toWalletId: full }),
        Code.FailedPrecondition,
        "BALANCE_LIMIT",
        /999999999999999.9999/,
      ],
      [
        () => calls.transfer({ ...transfer, expectedVersion: 0n }),
        Code.Aborted,
        "VERSION_CONFLICT",
        /version 1, not 0/,
      ],
      [
        () => calls.transfer({ ...transfer, amount: "-1" }),
        Code.InvalidArgument,
        "INVALID_FIELD",
        "Amount must be greater than zero",
      ],
      [
        () => calls.transfer({ ...transfer, amount: "1e3" }),
        Code.InvalidArgument,
        "INVALID_FIELD",
        /amount: must be a decimal/,
      ],
      [
        () => calls.createWallet({ userId: "u", currency: "XYZ" }),
        Code.InvalidArgument,
        "UNKNOWN_CURRENCY",
        /"XYZ" is not configured/,
      ],
      [
        () => calls.createWallet({ userId: "a\u0000b" }),
        Code.InvalidArgument,
        "INVALID_FIELD",
        /user_id/,
      ],
      [
        () => calls.createWallet({ userId: "x".repeat(101) }),
        Code.InvalidArgument,
        "INVALID_FIELD",
        /user_id/,
      ],
      [
        () => calls.listWallets({ pageToken: farFuture }),
        Code.InvalidArgument,
        "INVALID_FIELD",
        /next_page_token/,
      ],
      [
        () => calls.listWallets({ pageToken: "none of ours" }),
        Code.InvalidArgument,
        "INVALID_FIELD",
        /next_page_token/,
      ],
    ];
    for (const [call, code, reason, wording] of refusals) {
      const error = await errorOf(call());
      expect([error.code, errorReason(error)]).toEqual([code, reason]);
      expect(error.rawMessage).toMatch(wording);
    }
    expect((await calls.getWallet({ walletId: from })).wallet).toMatchObject({
      balance: "1.0000",
      version: 1n,
    });
    expect((await calls.getWallet({ walletId: to })).wallet?.version).toBe(0n);
  });

  test("a refusal names the wallet that it is about", async () => {
    const from = await createWallet(calls, "alice", "1");
    const absent = v7();
    const error = await errorOf(
      calls.transfer({ fromWalletId: from, toWalletId: absent, amount: "1" }),
    );
    expect(errorMetadata(error)).toEqual({ wallet_id: absent });
  });
});

test("a Connect query whose message cannot be decoded is the caller's mistake", async () => {
  const get = `http://127.0.0.1:${bed.httpPort}/pelikuni.wallet.v1.WalletService/GetWallet`;
  const response = await fetch(`${get}?encoding=proto&message=____&base64=1&connect=v1`);
  expect([response.status, await response.json()]).toEqual([
    400,
    { code: "invalid_argument", message: expect.stringContaining("GetWalletRequest") },
  ]);
});
