import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { FreezeScope } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { errorReason } from "@pelikuni/runtime/rpc-errors";
import { v7 } from "uuid";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  errorOf,
  type OperationsBed,
  ofAccount,
  ofWallet,
  startOperationsBed,
} from "./operations-bed.ts";
import type { Calls } from "./test-service.ts";

let bed: OperationsBed;
beforeAll(async () => {
  bed = await startOperationsBed();
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

interface Mutation {
  /** Sends it with some fields replaced or added. */
  readonly send: (calls: Calls, change: object) => Promise<unknown>;
  /** Inputs that are other ones, beside other details. */
  readonly others: readonly object[];
  /** Changes what the mutation touched; funds a wallet of it unless said otherwise. */
  readonly meanwhile: () => Promise<unknown>;
}

function funding(walletId: string): () => Promise<unknown> {
  return () => bed.there.fundWallet({ walletId, amount: "3" });
}

const mutations: Record<string, () => Promise<Mutation>> = {
  async createWallet() {
    const request = { userId: "alice" };
    return {
      send: (calls, change) => calls.createWallet({ ...request, ...change }),
      others: [{ userId: "bob" }, { currency: "EUR" }],
      meanwhile: () => bed.there.createWallet({ userId: "alice" }),
    };
  },
  async fundWallet() {
    const walletId = await bed.wallet();
    const request = { walletId, amount: "10", expectedVersion: 0n };
    return {
      send: (calls, change) => calls.fundWallet({ ...request, ...change }),
      others: [{ amount: "11" }, { walletId: await bed.wallet() }, { source: "bank" }],
      meanwhile: funding(walletId),
    };
  },
  async transfer() {
    const fromWalletId = await bed.wallet("10");
    const request = { fromWalletId, toWalletId: await bed.wallet(), amount: "10" };
    return {
      send: (calls, change) => calls.transfer({ ...request, ...change }),
      others: [{ amount: "9" }, { toWalletId: await bed.wallet() }],
      meanwhile: funding(fromWalletId),
    };
  },
  async withdraw() {
    const walletId = await bed.wallet("10");
    const request = { walletId, amount: "10", expectedVersion: 1n };
    return {
      send: (calls, change) => calls.withdraw({ ...request, ...change }),
      others: [{ amount: "9" }, { destination: "bank" }],
      meanwhile: funding(walletId),
    };
  },
  async postTransaction() {
    const [from, to] = [await bed.wallet("10"), await bed.wallet()];
    const leg = { from: ofWallet(from), to: ofWallet(to), amount: "9" };
    const fee = { from: ofWallet(from), to: ofAccount("fees"), amount: "1" };
    const exchange = { rate: "1.0842", quoteId: "q1" };
    const request = { legs: [leg, fee], exchange };
    return {
      send: (calls, change) => calls.postTransaction({ ...request, ...change }),
      others: [
        { legs: [leg] },
        { legs: [fee, leg] },
        { legs: [leg, { ...fee, amount: "0.5" }] },
        { exchange: { ...exchange, rate: "1" } },
        { exchange: { ...exchange, quoteId: "q2" } },
      ],
      meanwhile: funding(from),
    };
  },
  async placeHold() {
    const walletId = await bed.wallet("10");
    const expireTime = timestampFromMs(bed.nowMs() + 600_000);
    const request = { walletId, amount: "10", expireTime };
    return {
      send: (calls, change) => calls.placeHold({ ...request, ...change }),
      others: [{ amount: "9" }, { expireTime: timestampFromMs(bed.nowMs() + 600_001) }],
      // Its time is over meanwhile: neither that nor the sweep changes the answer.
      meanwhile: async () => {
        bed.advance(700_000);
        const held = async () => (await bed.there.getWallet({ walletId })).wallet?.held;
        await expect.poll(held, { timeout: 10_000 }).toBe("0.0000");
      },
    };
  },
  async captureHold() {
    const walletId = await bed.wallet("10");
    const holdId = await bed.hold(walletId, "10");
    const payment = { to: ofWallet(await bed.wallet()), amount: "4" };
    const request = { holdId, payments: [payment], keepRemaining: true };
    return {
      send: (calls, change) => calls.captureHold({ ...request, ...change }),
      others: [
        { keepRemaining: false },
        { payments: [{ ...payment, amount: "5" }] },
        { payments: [{ ...payment, to: ofAccount("fees") }] },
        { payments: [payment, payment] },
      ],
      meanwhile: () => bed.there.captureHold({ holdId, payments: [payment] }),
    };
  },
  async releaseHold() {
    const walletId = await bed.wallet("10");
    const holdId = await bed.hold(walletId, "10");
    return {
      send: (calls, change) => calls.releaseHold({ holdId, ...change }),
      others: [{ holdId: await bed.hold(await bed.wallet("1"), "1") }],
      meanwhile: funding(walletId),
    };
  },
  async reverseTransaction() {
    const [fromWalletId, toWalletId] = [await bed.wallet("10"), await bed.wallet()];
    const { receipt } = await bed.here.transfer({ fromWalletId, toWalletId, amount: "10" });
    const transactionId = receipt?.transactionId ?? "";
    const legs = [{ index: 0, amount: "4" }];
    return {
      send: (calls, change) => calls.reverseTransaction({ transactionId, legs, ...change }),
      others: [
        { legs: [] },
        { legs: [{ index: 0, amount: "5" }] },
        { shortfallAccount: "fees" },
        { transactionId: v7() },
      ],
      meanwhile: () => bed.there.reverseTransaction({ transactionId }),
    };
  },
  async freezeWallet() {
    const walletId = await bed.wallet("10");
    const request = { walletId, scope: FreezeScope.OUTGOING, reason: "asked" };
    return {
      send: (calls, change) => calls.freezeWallet({ ...request, ...change }),
      others: [{ scope: FreezeScope.ALL }, { reason: "lost" }],
      meanwhile: () => bed.there.unfreezeWallet({ walletId }),
    };
  },
  async unfreezeWallet() {
    const walletId = await bed.wallet("10");
    await bed.here.freezeWallet({ walletId });
    const request = { walletId, reason: "asked" };
    return {
      send: (calls, change) => calls.unfreezeWallet({ ...request, ...change }),
      others: [{ reason: "found" }, { walletId: await bed.wallet() }],
      meanwhile: () => bed.there.freezeWallet({ walletId }),
    };
  },
  async closeWallet() {
    const [walletId, swept] = [await bed.wallet("10"), await bed.wallet()];
    const request = { walletId, sweepTo: ofWallet(swept), reason: "left" };
    return {
      send: (calls, change) => calls.closeWallet({ ...request, ...change }),
      others: [{ sweepTo: ofAccount("bank") }, { reason: "moved" }],
      meanwhile: funding(swept),
    };
  },
  async updateWallet() {
    const walletId = await bed.wallet("10");
    const settings = { metadata: { tier: "gold" }, limits: { singleTransferMax: "5" } };
    const request = { walletId, settings, updateMask: { paths: ["metadata", "limits"] } };
    return {
      send: (calls, change) => calls.updateWallet({ ...request, ...change }),
      others: [
        { updateMask: { paths: ["metadata"] } },
        { settings: { ...settings, metadata: { tier: "silver" } } },
        { settings: { metadata: settings.metadata } },
      ],
      meanwhile: () =>
        bed.there.updateWallet({ walletId, settings: {}, updateMask: { paths: ["metadata"] } }),
    };
  },
};

const details = {
  reference: "invoice 7",
  description: "Größe",
  metadata: { order: "17", shop: "3" },
};
const otherDetails = [
  { reference: "invoice 8" },
  { description: "" },
  { metadata: { order: "18", shop: "3" } },
  { metadata: { order: "17" } },
];

describe.each(Object.entries(mutations))("%s", (name, prepare) => {
  test("repeated gets its first answer, here and there, at once and after changes", async () => {
    const { send, meanwhile } = await prepare();
    // A reference acts once: what comes from an account outside needs one of its own.
    const request = { requestId: v7(), details: { ...details, reference: `${name} ${v7()}` } };
    const together = await Promise.all(
      [bed.here, bed.there, bed.here].map((to) => send(to, request)),
    );
    const [first] = together;
    expect(together).toEqual([first, first, first]);
    await meanwhile();
    const before = await bed.everything();
    expect(await send(bed.here, request)).toEqual(first);
    expect(await send(bed.there, request)).toEqual(first);
    const reordered = { ...request.details, metadata: { shop: "3", order: "17" } };
    expect(await send(bed.there, { ...request, details: reordered })).toEqual(first);
    expect(await bed.everything()).toBe(before);
  });

  test("with other input, or other details, its request_id is refused", async () => {
    const { send, others, meanwhile } = await prepare();
    const requestId = v7();
    const first = await send(bed.here, { requestId, details });
    await meanwhile();
    const before = await bed.everything();
    const changes = [
      ...others.map((other) => ({ ...other, details })),
      ...otherDetails.map((other) => ({ details: { ...details, ...other } })),
      {},
    ];
    for (const [index, change] of changes.entries()) {
      const to = index % 2 === 0 ? bed.here : bed.there;
      const error = await errorOf(send(to, { requestId, ...change }));
      expect([change, errorReason(error), error.code]).toEqual([
        change,
        "REQUEST_ID_REUSED",
        Code.AlreadyExists,
      ]);
    }
    expect(await send(bed.there, { requestId, details })).toEqual(first);
    expect(await bed.everything()).toBe(before);
  });

  test("with details that say nothing is the same as without", async () => {
    const { send } = await prepare();
    const requestId = v7();
    const first = await send(bed.here, { requestId, details: {} });
    expect(await send(bed.there, { requestId })).toEqual(first);
  });

  test("refused, it leaves its request_id unused", async () => {
    const { send } = await prepare();
    const requestId = v7();
    // No wallet gets that far.
    const refused = { requestId, expectedVersion: 99n };
    const takesVersions = !["createWallet", "postTransaction", "reverseTransaction"].includes(name);
    if (takesVersions) {
      expect(errorReason(await errorOf(send(bed.here, refused)))).toBe("VERSION_CONFLICT");
    }
    expect(await send(bed.there, { requestId })).toHaveProperty("receipt.transactionId");
  });
});

test("a batch's transfer and a single one are the same request", async () => {
  const [fromWalletId, toWalletId] = [await bed.wallet("10"), await bed.wallet()];
  const transfer = { fromWalletId, toWalletId, amount: "4", requestId: v7(), details };
  const single = await bed.here.transfer(transfer);
  const { results } = await bed.there.batchTransfer({ transfers: [transfer, transfer] });
  expect(results.map(({ result }) => result)).toEqual([
    { case: "transfer", value: single },
    { case: "transfer", value: single },
  ]);
});
