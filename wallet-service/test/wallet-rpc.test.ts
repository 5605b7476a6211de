import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { StatusSchema } from "@pelikuni/gen/google/rpc/status_pb";
import { WalletStatus } from "@pelikuni/gen/wallet/v1/wallet_pb";
import type { WalletService } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { errorMetadata, errorReason, errorViolations } from "@pelikuni/runtime/rpc-errors";
import { v7 } from "uuid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ServiceBed, startServiceBed } from "./test-service.ts";

let bed: ServiceBed;
beforeAll(async () => {
  bed = await startServiceBed();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

type Calls = Client<typeof WalletService>;

async function createWallet(
  calls: Calls,
  userId: string,
  funds = "",
  currency = "",
): Promise<string> {
  const { wallet } = await calls.createWallet({ userId, currency });
  const walletId = wallet?.id ?? "";
  if (funds !== "") await calls.fundWallet({ walletId, amount: funds });
  return walletId;
}

async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("The call was expected to fail.");
}

// A token of our form with a time that Postgres cannot read.
const farFuture = Buffer.from(`999999999999999~${v7()}`).toString("base64url");

describe.each(["grpc", "inProcess"] as const)("over %s", (way) => {
  let calls: Calls;
  beforeAll(() => {
    calls = bed[way];
  });

  test("a new wallet is empty, active, at version 0, in USD", async () => {
    const { receipt, wallet } = await calls.createWallet({ userId: "alice" });
    expect(wallet).toMatchObject({
      userId: "alice",
      currency: "USD",
      balance: "0.0000",
      held: "0.0000",
      available: "0.0000",
      status: WalletStatus.ACTIVE,
      version: 0n,
    });
    expect(wallet?.createTime).toEqual(receipt?.occurredAt);
    expect(wallet?.updateTime).toEqual(receipt?.occurredAt);
    expect(receipt?.transactionId).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("a transfer answers both wallets and a receipt, and reads see it at once", async () => {
    const from = await createWallet(calls, "alice", "100");
    const to = await createWallet(calls, "bob");
    const answer = await calls.transfer({
      fromWalletId: from.toUpperCase(),
      toWalletId: to,
      amount: "25.5",
    });
    expect(answer.fromWallet).toMatchObject({ id: from, balance: "74.5000", version: 2n });
    expect(answer.toWallet).toMatchObject({ id: to, balance: "25.5000", version: 1n });
    expect((await calls.getWallet({ walletId: to.toUpperCase() })).wallet).toEqual(answer.toWallet);
    expect((await calls.getWallet({ walletId: from })).wallet).toEqual(answer.fromWallet);
    const next = await calls.fundWallet({ walletId: to, amount: "1" });
    expect(next.receipt?.position).toBe((answer.receipt?.position ?? 0n) + 1n);
  });

  test("a repeated request_id gets the first answer again, on every mutation", async () => {
    const create = { userId: "alice", requestId: v7() };
    const created = await calls.createWallet(create);
    expect(await calls.createWallet(create)).toEqual(created);
    const walletId = created.wallet?.id ?? "";
    const funding = { walletId, amount: "10", requestId: v7() };
    const funded = await calls.fundWallet(funding);
    expect(await calls.fundWallet({ ...funding, amount: "10.0000" })).toEqual(funded);
    const other = await createWallet(calls, "bob");
    const transfer = {
      fromWalletId: walletId,
      toWalletId: other,
      amount: "10",
      requestId: v7(),
      expectedVersion: 1n,
    };
    const transferred = await calls.transfer(transfer);
    await calls.fundWallet({ walletId, amount: "3" });
    // The money is gone and the version has moved: the repeat is answered before both are looked at.
    expect(await calls.transfer(transfer)).toEqual(transferred);
    expect((await calls.getWallet({ walletId })).wallet?.balance).toBe("3.0000");
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

  test("wallets are listed newest first, page by page, each once, while others are created", async () => {
    const userId = `pages over ${way}`;
    const ids: string[] = [];
    for (let count = 0; count < 7; count += 1) ids.unshift(await createWallet(calls, userId));
    const listed: string[] = [];
    let pageToken = "";
    do {
      const page = await calls.listWallets({ userId, pageSize: 3, pageToken });
      expect(page.wallets.length).toBeLessThanOrEqual(3);
      listed.push(...page.wallets.map(({ id }) => id));
      pageToken = page.nextPageToken;
      await createWallet(calls, userId);
    } while (pageToken !== "");
    expect(listed).toEqual(ids);
    const everybody = await calls.listWallets({ pageSize: 1_000 });
    expect(everybody.wallets.map(({ id }) => id)).toEqual(expect.arrayContaining(ids));
    expect((await calls.listWallets({ userId: "nobody" })).wallets).toEqual([]);
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

test("a Connect query whose message cannot be decoded is the caller's mistake", async () => {
  const get = `http://127.0.0.1:${bed.httpPort}/pelikuni.wallet.v1.WalletService/GetWallet`;
  const response = await fetch(`${get}?encoding=proto&message=____&base64=1&connect=v1`);
  expect([response.status, await response.json()]).toEqual([
    400,
    { code: "invalid_argument", message: expect.stringContaining("GetWalletRequest") },
  ]);
});
