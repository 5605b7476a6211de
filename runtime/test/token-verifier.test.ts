import { afterEach, beforeEach, expect, test } from "vitest";
import { authSchema } from "../src/access/auth-configuration.ts";
import { KeysUnavailable } from "../src/access/signing-keys.ts";
import {
  createTokenVerifier,
  TokenRefused,
  type TokenVerifier,
} from "../src/access/token-verifier.ts";
import { createLogger } from "../src/logger.ts";
import { audience, createSigningKey, type KeyServer, startKeyServer } from "./key-server.ts";

let server: KeyServer;
let nowMs: number;
const verifiers: TokenVerifier[] = [];

beforeEach(async () => {
  server = await startKeyServer();
  nowMs = Date.now();
});

afterEach(async () => {
  for (const verifier of verifiers.splice(0)) verifier[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
});

function createVerifier(settings: object = {}, issuerSettings: object = {}): TokenVerifier {
  const issuers = [{ issuer: server.issuer, audience, ...issuerSettings }];
  const auth = authSchema.parse({ issuers, ...settings });
  const logger = createLogger("test", { level: "silent", format: "json" });
  const verifier = createTokenVerifier(auth, logger, () => nowMs);
  verifiers.push(verifier);
  return verifier;
}

const key = (id: string) => createSigningKey(server.issuer, id);

test("a token says who calls, through which client, and what he may do", async () => {
  const first = await key("first");
  server.publish(first);
  const claims = { client_id: "shop", scope: "wallets:read transfers:write" };
  expect(await createVerifier().verify(await first.sign(claims))).toEqual({
    issuer: server.issuer,
    subject: "alice",
    client: "shop",
    scopes: new Set(["wallets:read", "transfers:write"]),
    isUser: true,
  });
});

test("of the scopes in a token those count that its issuer may give", async () => {
  const first = await key("first");
  server.publish(first);
  const token = await first.sign({ scope: "wallets:read admin" });
  const granted = async (scopes?: string[]) => {
    const verifier = createVerifier({}, scopes === undefined ? {} : { scopes });
    const caller = await verifier.verify(token);
    return ["wallets:read", "admin"].filter((scope) => caller.scopes.has(scope));
  };
  expect(await granted()).toEqual(["wallets:read", "admin"]);
  expect(await granted(["wallets:read", "transfers:write"])).toEqual(["wallets:read"]);
  expect(await granted([])).toEqual([]);
});

test("a client that acts for itself is no user, nor is anybody of an issuer without users", async () => {
  const first = await key("first");
  server.publish(first);
  const machine = await first.sign({ sub: "shop", client_id: "shop" });
  expect(await createVerifier().verify(machine)).toMatchObject({ isUser: false });
  const other = createVerifier({}, { users: false });
  expect(await other.verify(await first.sign())).toMatchObject({ isUser: false });
});

test("a token of a new key waits until the key is known, however soon the key comes", async () => {
  const [first, second, third] = [await key("first"), await key("second"), await key("third")];
  server.publish(first);
  const verifier = createVerifier();
  await verifier.verify(await first.sign());
  server.publish(first, second);
  const tokens = await Promise.all([second.sign({ sub: "a" }), second.sign({ sub: "b" })]);
  const fetchesBefore = server.fetches();
  await Promise.all(tokens.map((token) => verifier.verify(token)));
  // One fetch for both, of its configuration and of its keys.
  expect(server.fetches() - fetchesBefore).toBe(2);
  server.publish(first, second, third);
  await verifier.verify(await third.sign());
});

test("a key that its issuer has taken back is good no longer, nor what it has signed", async () => {
  const [first, second] = [await key("first"), await key("second")];
  server.publish(first);
  const verifier = createVerifier();
  const token = await first.sign();
  await verifier.verify(token);
  server.publish(second);
  await verifier.verify(await second.sign());
  await expect(verifier.verify(token)).rejects.toThrow(TokenRefused);
});

test("keys are kept while their issuer is away, but not for ever", async () => {
  const first = await key("first");
  server.publish(first);
  const verifier = createVerifier({ keys_kept_seconds: 60 });
  const [token, next] = await Promise.all([first.sign(), first.sign({ sub: "bob" })]);
  await verifier.verify(token);
  server.goAway();
  await verifier.verify(token);
  await verifier.verify(next);
  nowMs += 61_000;
  await expect(verifier.verify(token)).rejects.toThrow(KeysUnavailable);
});

test("a token from before any key was known is no longer good than the keys are", async () => {
  const first = await key("first");
  server.publish(first);
  const verifier = createVerifier({ keys_kept_seconds: 60 });
  const token = await first.sign();
  await verifier.verify(token);
  server.goAway();
  nowMs += 61_000;
  await expect(verifier.verify(token)).rejects.toThrow(KeysUnavailable);
});

test("while no key was ever had, whether a token is good cannot be told; then it can", async () => {
  const first = await key("first");
  server.goAway();
  const verifier = createVerifier();
  await expect(verifier.verify(await first.sign())).rejects.toThrow(KeysUnavailable);
  server.publish(first);
  await verifier.verify(await first.sign());
});

test.each<[string, object | string, RegExp]>([
  ["names another issuer", { issuer: "https://elsewhere.example" }, /elsewhere/],
  ["has keys that can be changed on the way", { jwks_uri: "http://keys.example/" }, /https:/],
  ["leads somewhere else", "/moved", /fetch failed/],
  ["does not end", { note: "a".repeat(1_048_576) }, /more than a document of keys/],
])("no keys are taken from an issuer whose configuration %s", async (_, answer, why) => {
  const first = await key("first");
  server.publish(first);
  server.misconfigure(answer);
  const verified = createVerifier().verify(await first.sign());
  await expect(verified).rejects.toMatchObject({
    name: "KeysUnavailable",
    cause: { message: expect.stringMatching(why) },
  });
});

test("made-up key ids fetch no more than once a second, and only a hundred of them wait", async () => {
  const [first, madeUp] = [await key("first"), await key("made-up")];
  server.publish(first);
  const verifier = createVerifier();
  await verifier.verify(await first.sign());
  const fetchesBefore = server.fetches();
  const tokens = await Promise.all(
    Array.from({ length: 150 }, (_, index) => madeUp.sign({ sub: `user-${index}` })),
  );
  const outcomes = await Promise.allSettled(tokens.map((token) => verifier.verify(token)));
  const reasons = outcomes.map((outcome) => outcome.status === "rejected" && outcome.reason.name);
  expect(reasons.filter((reason) => reason === "KeysUnavailable")).toHaveLength(50);
  expect(reasons.filter((reason) => reason === "TokenRefused")).toHaveLength(100);
  // Two fetches, of its configuration and of its keys each.
  expect(server.fetches() - fetchesBefore).toBe(4);
});

test("a token that was good is refused from its expiry on, clock skew allowed", async () => {
  const first = await key("first");
  server.publish(first);
  const verifier = createVerifier({ clock_skew_seconds: 30 });
  const token = await first.sign({ exp: Math.floor(nowMs / 1_000) + 60 });
  await verifier.verify(token);
  nowMs += 85_000;
  await verifier.verify(token);
  nowMs += 10_000;
  await expect(verifier.verify(token)).rejects.toThrow("it has expired");
});

test.each([
  ["another audience", { aud: "other" }, '"aud" must have "pelikuni"'],
  ["another issuer", { iss: "https://elsewhere.example" }, "not trusted"],
  ["an empty subject", { sub: "" }, "sub of at least one"],
  ["a subject beyond 255 characters", { sub: "a".repeat(256) }, "at most 255"],
  ["more than 8,192 characters", { note: "a".repeat(8_192) }, "it is longer than 8192"],
  ["U+0000 in its subject", { sub: "alice\0" }, "must be texts"],
  ["half a surrogate pair in its client", { client_id: "\ud800" }, "must be texts"],
  ["a time before which it is not valid", { nbf: 4e9 }, '"nbf"'],
  ["a key that its bearer must prove to have", { cnf: { jkt: "thumb" } }, "cnf"],
])("a token with %s is refused", async (_, claims, why) => {
  const first = await key("first");
  server.publish(first);
  await expect(createVerifier().verify(await first.sign(claims))).rejects.toThrow(why);
});

test("a good signature of an algorithm that the configuration does not name is refused", async () => {
  const first = await key("first");
  server.publish(first);
  const token = await first.sign();
  await createVerifier({}, { algorithms: ["ES256"] }).verify(token);
  const verified = createVerifier({}, { algorithms: ["RS256"] }).verify(token);
  await expect(verified).rejects.toThrow("algorithm (alg) that is not accepted");
});

test("a token without an expiry is refused", async () => {
  const first = await key("first");
  server.publish(first);
  const token = await first.sign({}, false);
  await expect(createVerifier().verify(token)).rejects.toThrow('its claim "exp"');
});

test("one issuer signs nothing for another, though both call their keys the same", async () => {
  await using other = await startKeyServer();
  const [own, others] = [await key("same"), await createSigningKey(other.issuer, "same")];
  server.publish(own);
  other.publish(others);
  const issuers = [
    { issuer: server.issuer, audience, users: false },
    { issuer: other.issuer, audience },
  ];
  const verifier = createVerifier({ issuers });
  await verifier.verify(await own.sign());
  await verifier.verify(await others.sign());
  const forged = await own.sign({ iss: other.issuer });
  await expect(verifier.verify(forged)).rejects.toThrow("its signature is not valid");
});
