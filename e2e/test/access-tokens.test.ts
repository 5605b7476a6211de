import { request } from "node:http";
import { create } from "@bufbuild/protobuf";
import {
  GetWalletRequestSchema,
  TransferRequestSchema,
  WalletService,
} from "@pelikuni/gen/wallet/v1/wallet_service_pb";
import { decodeJwt, decodeProtectedHeader, importJWK } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AccessBed, alice, allScopes, startAccessBed } from "../src/access-bed.ts";
import { malformedHeaders } from "../src/credentials.ts";
import { type Forgeries, forgeTokens, signClaims } from "../src/forged-tokens.ts";
import { audience } from "../src/identity-provider.ts";
import { algorithms } from "../src/identity-provider-settings.ts";
import { callRpc } from "../src/rpc-ways.ts";

const refusal = "UNAUTHENTICATED";
let bed: AccessBed;
let token: string;
let forgeries: Forgeries;
let own: { readonly walletId: string; readonly receiverId: string };

beforeAll(async () => {
  bed = await startAccessBed();
  token = bed.operatorToken;
  forgeries = await forgeTokens(bed.machines, token);
  const [walletId, receiverId] = [await createWallet(), await createWallet()];
  await bed.history.wallets.fundWallet({ walletId, amount: "100" }, bed.asOperator);
  own = { walletId, receiverId };
});

afterAll(() => bed[Symbol.asyncDispose]());

describe("what is refused", () => {
  test("no forged token is accepted in any protocol, and none changes anything", async () => {
    const before = await bed.readWritten();
    // All at once: those with an unknown key wait for the next time that keys may be fetched.
    const outcomes = [...forgeries].map(async ([flaw, forged]) =>
      (await tryEverywhere(`Bearer ${forged}`)).map(([way, outcome]) => [flaw, way, outcome]),
    );
    const accepted = (await Promise.all(outcomes))
      .flat()
      .filter(([, , outcome]) => outcome !== refusal);
    expect(accepted).toEqual([]);
    expect(forgeries.size).toBeGreaterThan(40);
    expect(await bed.readWritten()).toBe(before);
  });

  test("no malformed header is accepted", async () => {
    const accepted: string[] = [];
    for (const [flaw, header] of malformedHeaders(token)) {
      for (const [way, outcome] of await tryEverywhere(header)) {
        if (outcome !== refusal) accepted.push(`${flaw}, ${way}: ${outcome}`);
      }
    }
    expect(accepted).toEqual([]);
  });

  test("a token that is larger than any header may be is refused, and the next call served", async () => {
    const outcomes = await tryEverywhere(`Bearer ${"a".repeat(200_000)}`);
    for (const [way, outcome] of outcomes) expect([way, outcome]).not.toEqual([way, "OK"]);
    for (const each of await tryEverywhere(`Bearer ${token}`)) expect(each[1]).toBe("OK");
  });

  test("of two Authorization headers at the gateway the second never counts", async () => {
    const forged = forgeries.get("expired") ?? "";
    expect(await getTwice([`Bearer ${forged}`, `Bearer ${token}`])).toBe(401);
  });

  test("a token in the query or in a cookie is none", async () => {
    const url = `${bed.origin}/wallets/${own.walletId}`;
    expect(await fetch(`${url}?access_token=${token}`)).toMatchObject({ status: 401 });
    const headers = { Cookie: `access_token=${token}; authorization=Bearer ${token}` };
    expect(await fetch(url, { headers })).toMatchObject({ status: 401 });
  });
});

describe("what is accepted", () => {
  test.each(algorithms)("a token signed with %s", async (algorithm) => {
    const signed = await bed.machines.machineToken("operator", { algorithm, scopes: allScopes });
    await expectAccepted(`Bearer ${signed}`);
  });

  test("the scheme in small letters, and with more than one space", async () => {
    await expectAccepted(`bearer ${token}`);
    await expectAccepted(`BEARER  ${token}`);
  });

  test("a token for several audiences of which we are one", async () => {
    const claims = { ...decodeJwt(token), aud: ["another", audience] };
    await expectAccepted(`Bearer ${await sign(claims)}`);
  });

  test("a clock that is a few seconds off", async () => {
    const now = Math.floor(Date.now() / 1_000);
    await expectAccepted(`Bearer ${await sign({ ...decodeJwt(token), exp: now - 5 })}`);
    await expectAccepted(`Bearer ${await sign({ ...decodeJwt(token), nbf: now + 5 })}`);
  });
});

async function createWallet(): Promise<string> {
  const { wallet } = await bed.history.wallets.createWallet({ userId: alice }, bed.asOperator);
  return wallet?.id ?? "";
}

async function expectAccepted(authorization: string): Promise<void> {
  const outcomes = await tryEverywhere(authorization);
  expect(outcomes.map(([way, outcome]) => `${way}: ${outcome}`)).toEqual(
    outcomes.map(([way]) => `${way}: OK`),
  );
}

/** Signs claims with the provider's own key: what is accepted only if nothing is wrong with them. */
async function sign(claims: object): Promise<string> {
  const key = bed.machines.keys.find(({ alg }) => alg === "RS256");
  if (key === undefined) throw new Error("The provider has no RSA key.");
  const header = { ...decodeProtectedHeader(token), alg: key.alg, kid: key.kid };
  return await signClaims(header, claims, await importJWK(key, key.alg));
}

/** Reads a wallet and moves money, in every protocol. */
async function tryEverywhere(authorization: string): Promise<[string, string][]> {
  const { walletId, receiverId } = own;
  const headers = new Headers({ authorization });
  const reading = create(GetWalletRequestSchema, { walletId });
  const paying = create(TransferRequestSchema, {
    fromWalletId: walletId,
    toWalletId: receiverId,
    amount: "0.0001",
  });
  const { getWallet, transfer } = WalletService.method;
  const calls = bed.walletWays.flatMap((way) => [
    { name: `${way.name} read`, answer: callRpc(way, getWallet, reading, headers) },
    { name: `${way.name} pay`, answer: callRpc(way, transfer, paying, headers) },
  ]);
  const outcomes = calls.map(async ({ name, answer }): Promise<[string, string]> => {
    const { code, reason } = await answer;
    return [name, reason || code];
  });
  return await Promise.all([...outcomes, getByRest(headers)]);
}

async function getByRest(headers: Headers): Promise<[string, string]> {
  const answer = await fetch(`${bed.origin}/wallets/${own.walletId}`, { headers });
  const text = await answer.text();
  return ["REST", answer.ok ? "OK" : (/"reason":"(\w+)"/.exec(text)?.[1] ?? text)];
}

async function getTwice(authorizations: readonly string[]): Promise<number | undefined> {
  return await new Promise((resolve, reject) => {
    const url = new URL(`${bed.origin}/wallets/${own.walletId}`);
    const headers = authorizations.flatMap((each) => ["Authorization", each]);
    request(url, { headers: ["Host", url.host, ...headers] }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    })
      .on("error", reject)
      .end();
  });
}
