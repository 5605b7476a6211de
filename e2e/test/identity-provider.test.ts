import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, errors, jwtVerify } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  audience,
  type IdentityProvider,
  startIdentityProvider,
} from "../src/identity-provider.ts";
import { algorithms } from "../src/identity-provider-settings.ts";

const scopes = ["wallets:read", "wallets:fund"];

describe("the OpenID provider of the tests", () => {
  let provider: IdentityProvider;

  beforeAll(async () => {
    provider = await startIdentityProvider(scopes);
  });

  afterAll(() => provider[Symbol.asyncDispose]());

  test("a machine's token names the machine, its scopes and the audience", async () => {
    const payload = await verify(await provider.machineToken("operator", { scopes }));
    expect(payload).toMatchObject({
      sub: "operator",
      client_id: "operator",
      scope: scopes.join(" "),
      iss: provider.issuer,
      aud: audience,
    });
  });

  test("a user signs in and gets a token in her name, without a scope", async () => {
    const payload = await verify(await provider.userToken("alice"));
    expect(payload).toMatchObject({ sub: "alice", client_id: "wallet-app", aud: audience });
    expect(payload.scope).toBeUndefined();
  });

  test("a user who asks for scopes gets them", async () => {
    const payload = await verify(await provider.userToken("alice", { scopes: ["wallets:read"] }));
    expect(payload).toMatchObject({ sub: "alice", scope: "wallets:read" });
  });

  test.each(algorithms)("signs with %s", async (algorithm) => {
    const token = await provider.machineToken("operator", { algorithm });
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: algorithm, typ: "at+jwt" });
    await verify(token);
  });

  test("gives tokens for another audience", async () => {
    const token = await provider.machineToken("operator", { audience: "another" });
    expect(decodeJwt(token)).toMatchObject({ aud: "another" });
  });

  test("refuses a scope and a machine that it does not know", async () => {
    const everything = provider.machineToken("operator", { scopes: ["everything"] });
    await expect(everything).rejects.toThrow('given: ""');
    await expect(provider.machineToken("stranger")).rejects.toThrow("stranger");
  });

  test("new keys sign at once; old ones stay published, or are gone", async () => {
    const before = await provider.machineToken("operator");
    await provider.rotateKeys("kept");
    const after = await provider.machineToken("operator");
    expect(decodeProtectedHeader(after).kid).not.toBe(decodeProtectedHeader(before).kid);
    await verify(before);
    await verify(after);
    await provider.rotateKeys("removed");
    await verify(await provider.machineToken("operator"));
    await expect(verify(before)).rejects.toThrow(errors.JWKSNoMatchingKey);
  });

  test("comes back where it was, with the same keys", async () => {
    const token = await provider.machineToken("operator");
    await provider.stop();
    await expect(verify(token)).rejects.toThrow("fetch failed");
    await provider.start();
    await verify(token);
    expect(provider.keys).toHaveLength(algorithms.length);
  });

  /** Checks a token with keys that are fetched for it alone. */
  async function verify(token: string): Promise<ReturnType<typeof decodeJwt>> {
    const keys = createRemoteJWKSet(new URL(provider.jwksUrl));
    const { issuer } = provider;
    const { payload } = await jwtVerify(token, keys, { issuer, audience, typ: "at+jwt" });
    return payload;
  }
});
