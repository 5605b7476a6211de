import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import {
  type Asked,
  inMs,
  keyed,
  type OperationBed,
  startOperationBed,
  transactionOf,
} from "./rest-operation.ts";
import type { WalletView } from "./rest-service.ts";

// Every refusal of the operations that a route can answer: its status, its words, and that nothing
// has changed. Those of holds stand in rest-holds.

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

const of = ({ id }: WalletView, path: string): string => `/wallets/${id}/${path}`;
const transfer = (from: WalletView, to: WalletView, amount = "1"): Asked => {
  return { path: of(from, "transfer"), body: { to_wallet_id: to.id, amount } };
};
const placeHold = (wallet: WalletView, amount = "1"): Asked => {
  return { path: of(wallet, "holds"), body: { amount, expire_time: inMs(3_600_000) } };
};
const postLeg = (from: object, to: object, amount = "1"): Asked => {
  return { path: "/transactions", body: { legs: [{ from, to, amount }] } };
};
const paid = async (amount = "20"): Promise<string> =>
  transactionOf(await bed.done(transfer(alice, bob, amount)));

test("a currency that is not configured is UNKNOWN_CURRENCY", async () => {
  await bed.refused({ path: "/wallets", body: { user_id: "alice", currency: "XXX" } }, 400, {
    reason: "UNKNOWN_CURRENCY",
    detail: expect.stringContaining('The currency "XXX" is not configured'),
  });
});

test("an account that is not configured is UNKNOWN_ACCOUNT, wherever it stands", async () => {
  const hold = await bed.hold(alice, "5");
  const transaction = await paid();
  for (const asked of [
    { path: of(alice, "fund"), body: { amount: "1", source: "nowhere" } },
    { path: of(alice, "withdraw"), body: { amount: "1", destination: "nowhere" } },
    postLeg({ wallet_id: alice.id }, { account: "nowhere" }),
    {
      path: `/holds/${hold.id}/capture`,
      body: { payments: [{ to: { account: "nowhere" }, amount: "1" }] },
    },
    { path: `/transactions/${transaction}/reverse`, body: { shortfall_account: "nowhere" } },
    { path: of(bob, "close"), body: { sweep_to: { account: "nowhere" } } },
  ]) {
    await bed.refused(asked, 400, {
      reason: "UNKNOWN_ACCOUNT",
      detail: expect.stringContaining('The account "nowhere" is not configured'),
    });
  }
});

test("a leg between two accounts is LEG_WITHOUT_WALLET, one within a wallet SAME_WALLET", async () => {
  const asked = postLeg({ account: "bank" }, { account: "fees" });
  await bed.refused(asked, 400, { reason: "LEG_WITHOUT_WALLET" });
  const within = postLeg({ wallet_id: alice.id }, { wallet_id: alice.id.toUpperCase() });
  await bed.refused(within, 400, { reason: "SAME_WALLET" });
});

test("JPY has no decimals and KWD three: what is finer is AMOUNT_PRECISION", async () => {
  const yen = await bed.wallet("yuki", "100", "JPY");
  const dinar = await bed.wallet("noor", "10.234", "KWD");
  expect([yen.balance, dinar.balance]).toEqual(["100.0000", "10.2340"]);
  const problem = {
    reason: "AMOUNT_PRECISION",
    detail: expect.stringContaining("Amounts in JPY have at most 0 decimals"),
  };
  await bed.refused({ path: of(yen, "fund"), body: { amount: "10.5" } }, 400, problem);
  await bed.refused({ path: of(yen, "withdraw"), body: { amount: 10.5 } }, 400, problem);
  await bed.refused(placeHold(yen, "0.5"), 400, problem);
  await bed.refused(postLeg({ wallet_id: yen.id }, { account: "bank" }, "0.5"), 400, problem);
  const limits = { single_transfer_max: "0.5" };
  const patch = { method: "PATCH", path: `/wallets/${yen.id}`, body: { limits } } as const;
  await bed.refused(patch, 400, problem);
  await bed.done({ path: of(yen, "fund"), body: { amount: "10.0000" } });
  await bed.done({ path: of(dinar, "fund"), body: { amount: "1.234" } });
  await bed.refused({ path: of(dinar, "fund"), body: { amount: "1.2345" } }, 400, {
    reason: "AMOUNT_PRECISION",
    detail: expect.stringContaining("Amounts in KWD have at most 3 decimals"),
  });
});

test("with two decimals configured, dollars have cents and nothing finer", async () => {
  const cents = await startOperationBed({ currencies: { USD: { decimals: 2 } } });
  const wallet = await cents.wallet("alice", "1.25");
  const fund = (amount: string): Asked => ({ path: of(wallet, "fund"), body: { amount } });
  await cents.refused(fund("0.001"), 400, { reason: "AMOUNT_PRECISION" });
  expect((await cents.done(fund("0.7500"))).body).toMatchObject({ balance: "2.0000" });
  await cents[Symbol.asyncDispose]();
});

test("more than a currency's limit at once is TRANSFER_LIMIT, and the limit is told", async () => {
  const currencies = { USD: { transfer_amount_max: "20" } };
  const limited = await startOperationBed({ currencies });
  const payer = await limited.wallet("alice", "100");
  const payee = await limited.wallet("bob");
  const pay = (amount: string): Asked => ({
    path: of(payer, "transfer"),
    body: { to_wallet_id: payee.id, amount },
  });
  const detail = expect.stringContaining("At most 20.0000 USD may leave a wallet at once");
  await limited.refused(pay("20.01"), 400, { reason: "TRANSFER_LIMIT", detail });
  await limited.done(pay("20"));
  expect((await limited.send("GET", "/currencies")).body).toEqual([
    { code: "USD", decimals: 2, transfer_amount_max: "20.0000" },
  ]);
  await limited[Symbol.asyncDispose]();
});

test("an unknown transaction cannot be reversed, nor one that is a path of nonsense", async () => {
  const problem = { reason: "TRANSACTION_NOT_FOUND", detail: "Transaction not found" };
  for (const id of [randomUUID(), "no-uuid"]) {
    await bed.refused({ path: `/transactions/${id}/reverse` }, 404, problem);
  }
});

test("wallets that are unknown are WALLET_NOT_FOUND, whatever is wanted of them", async () => {
  const nobody = { ...alice, id: randomUUID() };
  const problem = { reason: "WALLET_NOT_FOUND", detail: "Wallet not found" };
  for (const path of ["no-uuid", nobody.id]) {
    for (const asked of [
      { path: `/wallets/${path}/withdraw`, body: { amount: "1" } },
      { path: `/wallets/${path}/holds`, body: { amount: "1", expire_time: inMs(60_000) } },
      { path: `/wallets/${path}/freeze` },
      { path: `/wallets/${path}/unfreeze` },
      { path: `/wallets/${path}/close` },
      { method: "PATCH", path: `/wallets/${path}`, body: { metadata: {} } } as const,
    ]) {
      await bed.refused(asked, 404, problem);
    }
  }
  await bed.refused(postLeg({ wallet_id: nobody.id }, { account: "bank" }), 404, problem);
});

test("from a wallet whose outgoing money is frozen nothing goes, and into it everything", async () => {
  const hold = await bed.hold(alice, "5");
  await bed.done({ path: of(alice, "freeze"), body: { scope: "OUTGOING" } });
  const problem = {
    reason: "WALLET_FROZEN",
    detail: expect.stringContaining("The wallet is frozen"),
  };
  await bed.refused(transfer(alice, bob), 400, problem);
  await bed.refused({ path: of(alice, "withdraw"), body: { amount: "1" } }, 400, problem);
  await bed.refused(placeHold(alice), 400, problem);
  const capture = { to_wallet_id: bob.id, amount: "1" };
  await bed.refused({ path: `/holds/${hold.id}/capture`, body: capture }, 400, problem);
  await bed.done(transfer(bob, alice));
  await bed.done({ path: of(alice, "fund"), body: { amount: "1" } });
  await bed.done({ path: `/holds/${hold.id}/release` });
});

test("from and into a fully frozen wallet nothing goes, and its holds can be released", async () => {
  const hold = await bed.hold(alice, "5");
  await bed.done({ path: of(alice, "freeze") });
  const problem = { reason: "WALLET_FROZEN" };
  await bed.refused(transfer(alice, bob), 400, problem);
  await bed.refused(transfer(bob, alice), 400, problem);
  await bed.refused({ path: of(alice, "fund"), body: { amount: "1" } }, 400, problem);
  await bed.done({ path: `/holds/${hold.id}/release` });
  await bed.done({ path: of(alice, "unfreeze") });
  await bed.done(transfer(bob, alice));
});

test("a wallet with money is WALLET_NOT_EMPTY, one with open holds OPEN_HOLDS", async () => {
  await bed.refused({ path: of(alice, "close") }, 400, {
    reason: "WALLET_NOT_EMPTY",
    detail: "The wallet has money; move it away first, or say where it goes (sweep_to)",
  });
  await bed.hold(alice, "5");
  const sweep = { path: of(alice, "close"), body: { sweep_to: { wallet_id: bob.id } } };
  await bed.refused(sweep, 400, { reason: "OPEN_HOLDS" });
});

test("of a closed wallet everything is WALLET_CLOSED", async () => {
  const gone = await bed.wallet("gone");
  await bed.done({ path: of(gone, "close") });
  const problem = {
    reason: "WALLET_CLOSED",
    detail: expect.stringContaining("The wallet is closed"),
  };
  for (const asked of [
    { path: of(gone, "fund"), body: { amount: "1" } },
    { path: of(gone, "withdraw"), body: { amount: "1" } },
    transfer(bob, gone),
    placeHold(gone),
    { path: of(gone, "freeze") },
    { path: of(gone, "unfreeze") },
    { path: of(gone, "close") },
    { method: "PATCH", path: `/wallets/${gone.id}`, body: { metadata: { a: "1" } } } as const,
  ]) {
    await bed.refused(asked, 400, problem);
  }
});

test("more than the wallet's limit at once is WALLET_LIMIT, netted for each transaction", async () => {
  const limits = { single_transfer_max: "25" };
  await bed.done({ method: "PATCH", path: `/wallets/${alice.id}`, body: { limits } });
  const problem = {
    reason: "WALLET_LIMIT",
    detail: expect.stringContaining("The wallet may pay at most 25.0000 at once"),
  };
  await bed.refused(transfer(alice, bob, "25.0001"), 400, problem);
  await bed.refused({ path: of(alice, "withdraw"), body: { amount: "26" } }, 400, problem);
  await bed.refused(placeHold(alice, "26"), 400, problem);
  const leg = { from: { wallet_id: alice.id }, to: { wallet_id: bob.id }, amount: "13" };
  await bed.refused({ path: "/transactions", body: { legs: [leg, leg] } }, 400, problem);
  await bed.done(transfer(alice, bob, "25"));
});

test("a reversal is NOT_REVERSIBLE, and so is what moved no money", async () => {
  const reversal = await bed.done({ path: `/transactions/${await paid()}/reverse` }, 201);
  const problem = { reason: "NOT_REVERSIBLE" };
  await bed.refused({ path: `/transactions/${transactionOf(reversal)}/reverse` }, 400, problem);
  const frozen = await bed.done({ path: of(alice, "freeze") });
  await bed.refused({ path: `/transactions/${transactionOf(frozen)}/reverse` }, 400, problem);
});

test("reversing twice, or more than is left, is ALREADY_REVERSED and says what is left", async () => {
  const path = `/transactions/${await paid()}/reverse`;
  await bed.done({ path, body: { amount: "15" } }, 201);
  await bed.refused({ path, body: { amount: "5.0001" } }, 400, {
    reason: "ALREADY_REVERSED",
    detail: expect.stringContaining("Of leg 0 only 5.0000 is left"),
  });
  await bed.done({ path }, 201);
  const problem = {
    reason: "ALREADY_REVERSED",
    detail: expect.stringContaining("The transaction has been reversed already"),
  };
  await bed.refused({ path }, 400, problem);
  await bed.refused({ path, body: { amount: "1" } }, 400, problem);
});

test("a receiver who has spent it lacks the balance: nothing is taken back, all or nothing", async () => {
  const legs = [
    { from: { wallet_id: alice.id }, to: { wallet_id: bob.id }, amount: "20" },
    { from: { wallet_id: alice.id }, to: { account: "fees" }, amount: "5" },
  ];
  const split = transactionOf(await bed.done({ path: "/transactions", body: { legs } }, 201));
  await bed.done({ path: of(bob, "withdraw"), body: { amount: "15" } });
  await bed.refused({ path: `/transactions/${split}/reverse` }, 400, {
    reason: "INSUFFICIENT_BALANCE",
    detail: "Insufficient balance",
  });
});

test("a reference brings money in once for ever, and names the first transaction", async () => {
  const fund = (reference: string): Asked => {
    return { path: of(alice, "fund"), body: { amount: "5", reference }, headers: keyed() };
  };
  const reference = `webhook-${randomUUID()}`;
  const first = transactionOf(await bed.done(fund(reference)));
  await bed.refused(fund(reference), 422, {
    reason: "REFERENCE_ALREADY_USED",
    detail: expect.stringContaining(`acted before, in transaction ${first}`),
  });
  await bed.done(fund(`${reference}-2`));
  // Where the money comes from a wallet the reference is a note: payments may share it.
  const pay = { ...transfer(alice, bob) };
  await bed.done({ ...pay, body: { ...Object(pay.body), reference } });
  await bed.done({ ...pay, body: { ...Object(pay.body), reference } });
});

test("different currencies of one leg are CURRENCY_MISMATCH", async () => {
  const yen = await bed.wallet("yuki", "100", "JPY");
  const hold = await bed.hold(alice, "5");
  const problem = { reason: "CURRENCY_MISMATCH" };
  const legs = postLeg({ wallet_id: alice.id }, { wallet_id: yen.id });
  await bed.refused(legs, 400, problem);
  const capture = { to_wallet_id: yen.id, amount: "1" };
  await bed.refused({ path: `/holds/${hold.id}/capture`, body: capture }, 400, problem);
  const sweep = { sweep_to: { wallet_id: yen.id } };
  await bed.refused({ path: of(bob, "close"), body: sweep }, 400, problem);
});
