import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { type CallOptions, createContextValues } from "@connectrpc/connect";
import type { WalletEvent } from "@pelikuni/gen/wallet/v1/wallet_event_pb";
import type { Receipt } from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { type Caller, callerKey, openCaller } from "@pelikuni/runtime/access/caller";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ServiceBed, startServiceBed } from "./test-service.ts";

const operator: Caller = {
  ...openCaller,
  issuer: "https://id.example",
  subject: "öperator",
  client: "back office",
};
const actor = { issuer: "https://id.example", subject: "öperator", client: "back office" };
const lengthMs = 60_000;

let bed: ServiceBed;
let aheadMs = 0;
let walletId: string;
beforeAll(async () => {
  bed = await startServiceBed({}, undefined, () => Date.now() + aheadMs);
  const { wallet } = await bed.inProcess.createWallet({ userId: "alice" });
  walletId = wallet?.id ?? "";
});
afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

/** A call of a known caller. */
function by(caller: Caller): CallOptions {
  return { contextValues: createContextValues().set(callerKey, caller) };
}

/** The event of a position. */
async function eventAt(position: bigint): Promise<WalletEvent> {
  for await (const { content } of bed.inProcess.subscribeEvents({ afterPosition: position - 1n })) {
    if (content.case === "event") return content.value;
  }
  throw new Error("The feed has ended.");
}

async function eventOf({
  receipt,
}: {
  readonly receipt?: Receipt | undefined;
}): Promise<WalletEvent> {
  return await eventAt(receipt?.position ?? 0n);
}

test("an event says who asked for it, and nothing where nobody has to say who he is", async () => {
  const request = { walletId, amount: "10" };
  const asked = await bed.inProcess.fundWallet(request, by(operator));
  expect((await eventOf(asked)).actor).toMatchObject(actor);
  expect((await eventOf(await bed.grpc.fundWallet(request))).actor).toBeUndefined();
});

test("a repeat by another program of the caller leaves the event with the first one", async () => {
  const request = { walletId, amount: "1", requestId: "once" };
  const first = await bed.inProcess.fundWallet(request, by(operator));
  const again = await bed.inProcess.fundWallet(request, by({ ...operator, client: "script" }));
  expect(again.receipt).toEqual(first.receipt);
  expect((await eventOf(again)).actor).toMatchObject(actor);
});

test("each transfer of a batch has its caller", async () => {
  const { wallet } = await bed.inProcess.createWallet({ userId: "bob" });
  const transfer = { fromWalletId: walletId, toWalletId: wallet?.id ?? "", amount: "1" };
  const { results } = await bed.inProcess.batchTransfer(
    { transfers: [transfer, transfer] },
    by(operator),
  );
  for (const { result } of results) {
    if (result.case !== "transfer") throw new Error("A transfer was refused.");
    expect((await eventOf(result.value)).actor).toMatchObject(actor);
  }
});

test("a hold that expires does so by itself", async () => {
  const expireTime = timestampFromMs(Date.now() + aheadMs + lengthMs);
  const request = { walletId, amount: "1", expireTime };
  const placed = await bed.inProcess.placeHold(request, by(operator));
  const position = placed.receipt?.position ?? 0n;
  expect((await eventAt(position)).actor).toMatchObject(actor);
  aheadMs += lengthMs;
  const expired = await eventAt(position + 1n);
  expect(expired.kind.case).toBe("holdReleased");
  expect(expired.actor).toBeUndefined();
});
