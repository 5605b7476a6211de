import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  type Asked,
  inMs,
  keyed,
  type OperationBed,
  startOperationBed,
  transactionOf,
} from "./rest-operation.ts";
import { type WalletView, walletOf } from "./rest-service.ts";

let bed: OperationBed;
let alice: WalletView;
let bob: WalletView;

beforeAll(async () => {
  bed = await startOperationBed();
});

afterAll(() => bed[Symbol.asyncDispose]());

beforeEach(async () => {
  alice = await bed.wallet("alice", "100");
  bob = await bed.wallet("bob", "10");
});

const aliceTo = (path: string): string => `/wallets/${alice.id}/${path}`;
const pay = (): object => ({ wallet_id: bob.id });

/** Every new mutation, with its status; those of holds and transactions make what they act on. */
const mutations: [string, number, () => Promise<Asked>][] = [
  ["withdraw", 200, async () => ({ path: aliceTo("withdraw"), body: { amount: "1" } })],
  [
    "post",
    201,
    async () => {
      const legs = [{ from: { wallet_id: alice.id }, to: pay(), amount: "1" }];
      return { path: "/transactions", body: { legs } };
    },
  ],
  [
    "reverse",
    201,
    async () => {
      const paid = await bed.done({ path: aliceTo("withdraw"), body: { amount: "2" } });
      return { path: `/transactions/${transactionOf(paid)}/reverse`, body: { amount: "1" } };
    },
  ],
  [
    "hold",
    201,
    async () => {
      return { path: aliceTo("holds"), body: { amount: "1", expire_time: inMs(60_000) } };
    },
  ],
  [
    "capture",
    200,
    async () => {
      const { id } = await bed.hold(alice, "5");
      const body = { to_wallet_id: bob.id, amount: "1", keep_remaining: true };
      return { path: `/holds/${id}/capture`, body };
    },
  ],
  [
    "release",
    200,
    async () => ({ path: `/holds/${(await bed.hold(alice, "5")).id}/release`, body: {} }),
  ],
  ["freeze", 200, async () => ({ path: aliceTo("freeze"), body: { scope: "OUTGOING" } })],
  ["unfreeze", 200, async () => ({ path: aliceTo("unfreeze"), body: { reason: "Mistake" } })],
  ["close", 200, async () => ({ path: aliceTo("close"), body: { sweep_to: pay() } })],
  [
    "patch",
    200,
    async () => ({ method: "PATCH", path: `/wallets/${alice.id}`, body: { metadata: { a: "1" } } }),
  ],
];

test.each(mutations)(
  "%s repeated with its key answers what it answered first, and acts once",
  async (_, status, make) => {
    const details = { reference: "r", description: "d" };
    const { body, ...asked } = await make();
    const keyedAsk = { ...asked, body: { ...Object(body), ...details }, headers: keyed() };
    const first = await bed.done(keyedAsk, status);
    const after = await bed.read(alice);
    const again = await bed.done(keyedAsk, status);
    expect(again.body).toEqual(first.body);
    for (const name of ["transaction-id", "position", "etag", "location"]) {
      expect(again.headers.get(name), name).toBe(first.headers.get(name));
    }
    expect(await bed.read(alice)).toEqual(after);
    expect(walletOf({ ...again, body: after }).version).toBeGreaterThan(alice.version);
    const other = { ...keyedAsk, body: { ...Object(body), reference: "other" } };
    await bed.refused(other, 422, { reason: "REQUEST_ID_REUSED" });
  },
);
