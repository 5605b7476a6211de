import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { apiKeyHash } from "@pelikuni/runtime/access/api-key-lookup";
import { errorMetadata, errorReason, errorViolations } from "@pelikuni/runtime/rpc-errors";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ApiKeyBed, failureOf, startApiKeyBed } from "./api-key-bed.ts";

const forged = "pelikuni_0000000000000000000000000000000000000000000";
let bed: ApiKeyBed;
let owner: postgres.Sql;

beforeAll(async () => {
  bed = await startApiKeyBed();
  owner = postgres(bed.database.ownerUrl, { max: 1 });
});

afterAll(async () => {
  await owner.end({ timeout: 1 });
  await bed[Symbol.asyncDispose]();
});

async function countKeys(): Promise<number> {
  const rows = await owner<{ count: string }[]>`select count(*) as count from api_keys`;
  return Number(rows[0]?.count);
}

test("the initial key creates others, which may do what their scopes say and nothing else", async () => {
  const { secret } = await bed.create(["wallets:write"]);
  const { wallets, keys } = bed.machine(secret);
  const { wallet } = await wallets.createWallet({ userId: "alice" });
  // Whose state only those see who may read it.
  expect(wallet).toMatchObject({ id: expect.stringContaining("-"), userId: "" });
  for (const call of [
    wallets.getWallet({ walletId: wallet?.id ?? "" }),
    wallets.fundWallet({ walletId: wallet?.id ?? "", amount: "1" }),
    keys.createApiKey({ owner: "shop", scopes: ["wallets:write"] }),
    keys.listApiKeys({}),
    keys.revokeApiKey({ id: wallet?.id ?? "" }),
    keys.checkApiKeys({ secretHashes: [new Uint8Array(32)] }),
  ]) {
    expect(await failureOf(call)).toMatchObject({ code: Code.PermissionDenied });
  }
  for (const unknown of [forged, `${secret}x`, secret.toLowerCase(), "pelikuni_"]) {
    const failure = await failureOf(bed.machine(unknown).wallets.listAccounts({}));
    expect(failure).toMatchObject({ code: Code.Unauthenticated });
  }
});

test("who may close wallets sweeps their money away only with the scope that moves it", async () => {
  const { wallets: operator } = bed.machine(bed.initialKey);
  const walletOf = async (userId: string) =>
    (await operator.createWallet({ userId })).wallet?.id ?? "";
  const [walletId, thief] = [await walletOf("alice"), await walletOf("thief")];
  await operator.fundWallet({ walletId, amount: "10" });
  const sweepTo = { side: { case: "walletId", value: thief } } as const;
  const { secret: closer } = await bed.create(["wallets:write"]);
  const refused = await failureOf(bed.machine(closer).wallets.closeWallet({ walletId, sweepTo }));
  expect(refused).toMatchObject({ code: Code.PermissionDenied });
  expect(refused.rawMessage).toContain('With sweep_to this needs the scope "transactions:write"');
  expect(await operator.getWallet({ walletId })).toMatchObject({ wallet: { balance: "10.0000" } });
  const { secret: mover } = await bed.create(["wallets:write", "transactions:write"]);
  await bed.machine(mover).wallets.closeWallet({ walletId, sweepTo });
  await bed.machine(closer).wallets.closeWallet({ walletId: await walletOf("bob") });
});

test("a key is taken over Connect as well, and nobody without one", async () => {
  const { secret } = await bed.create(["wallets:read"]);
  const url = `http://127.0.0.1:${bed.service.httpPort}/pelikuni.wallet.v1.WalletService/ListWallets`;
  const call = (headers: Record<string, string>) =>
    fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: "{}",
    });
  expect((await call({ authorization: `Bearer ${secret}` })).status).toBe(200);
  expect((await call({ authorization: `Bearer ${forged}` })).status).toBe(401);
  expect((await call({})).status).toBe(401);
});

test("the secret is answered once: no table, no list and no line of the log holds it", async () => {
  const { keys } = bed.machine(bed.initialKey);
  const scopes = ["wallets:read"];
  const { apiKey, secret } = await keys.createApiKey({
    owner: "once",
    description: "Till",
    scopes,
  });
  expect(secret).toMatch(/^pelikuni_[0-9A-Za-z]{43}$/);
  const shown = { owner: "once", description: "Till", scopes, prefix: secret.slice(0, 17) };
  expect(apiKey).toMatchObject(shown);
  await bed.machine(secret).wallets.listWallets({});
  const { apiKeys } = await keys.listApiKeys({ owner: "once" });
  expect(apiKeys).toEqual([apiKey]);
  expect(apiKey?.createdBy).toMatchObject({ issuer: "api-key", subject: "initial" });
  await keys.revokeApiKey({ id: apiKey?.id ?? "" });

  const tables = await owner<{ name: string }[]>`
    select tablename as name from pg_tables where schemaname = 'public'`;
  let rowCount = 0;
  for (const { name } of tables) {
    for (const { row } of await owner<
      { row: string }[]
    >`select t::text as row from ${owner(name)} t`) {
      rowCount += 1;
      for (const each of [secret, bed.initialKey]) {
        expect(row).not.toContain(each.slice(17));
        expect(row).not.toContain(Buffer.from(each.slice(17)).toString("hex"));
      }
    }
  }
  expect(rowCount).toBeGreaterThan(1);
  const [stored] = await owner`
    select encode(secret_hash, 'hex') as hash from api_keys where id = ${apiKey?.id ?? ""}`;
  expect(stored?.hash).toBe(apiKeyHash(secret));
  const log = bed.logged.join("");
  expect(log).toContain("An API key was created.");
  for (const each of [secret, bed.initialKey, forged]) expect(log).not.toContain(each.slice(17));
  // Nor did the logger have to take one out.
  expect(log).not.toContain("***");
});

test("nobody gives a scope that he lacks, or one that does not exist", async () => {
  const { secret } = await bed.create(["admin", "wallets:read"], "admin");
  const { keys } = bed.machine(secret);
  const before = await countKeys();
  const refused = await failureOf(
    keys.createApiKey({ owner: "x", scopes: ["wallets:read", "wallets:fund"] }),
  );
  expect(refused).toMatchObject({ code: Code.PermissionDenied });
  expect(errorReason(refused)).toBe("PERMISSION_DENIED");
  expect(errorMetadata(refused)).toEqual({ scope: "wallets:fund" });
  expect(bed.logged.join("")).toContain("its creator lacks a scope");

  const unknown = await failureOf(
    keys.createApiKey({ owner: "x", scopes: ["admin", "wallet:read"] }),
  );
  expect(errorViolations(unknown)).toEqual([
    { field: "scopes[1]", description: expect.stringMatching(/^must be one of admin, .*write$/) },
  ]);
  for (const broken of [
    { owner: "", scopes: ["admin"] },
    { owner: "x".repeat(101), scopes: ["admin"] },
    { owner: "x", scopes: [] },
    { owner: "x", scopes: ["admin", "admin"] },
    { owner: "x", scopes: ["admin"], expireTime: timestampFromMs(Date.now() - 1_000) },
    { owner: "x", scopes: ["admin"], description: "x".repeat(501) },
  ]) {
    const failure = await failureOf(keys.createApiKey(broken));
    expect(failure).toMatchObject({ code: Code.InvalidArgument });
  }
  expect(await countKeys()).toBe(before);
  // A key gives what it has, and no more, to the next one.
  const child = await keys.createApiKey({ owner: "child", scopes: ["wallets:read"] });
  await bed.machine(child.secret).wallets.listWallets({});
});

test("a creation repeated with its request_id creates nothing, and says which key it was", async () => {
  const { keys } = bed.machine(bed.initialKey);
  const request = { owner: "repeated", scopes: ["wallets:read"], requestId: "once" };
  const outcomes = await Promise.allSettled(
    Array.from({ length: 10 }, () => keys.createApiKey(request)),
  );
  const created = outcomes.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  expect(created).toHaveLength(1);
  const id = created[0]?.apiKey?.id;
  for (const outcome of outcomes) {
    if (outcome.status === "fulfilled") continue;
    const failure = ConnectError.from(outcome.reason);
    expect(failure).toMatchObject({ code: Code.AlreadyExists });
    expect(errorReason(failure)).toBe("API_KEY_ALREADY_CREATED");
    expect(errorMetadata(failure)).toEqual({ api_key_id: id });
  }
  expect((await keys.listApiKeys({ owner: "repeated" })).apiKeys).toHaveLength(1);
  // Another creator has request_ids of his own.
  const admin = bed.machine((await bed.create(["admin", "wallets:read"], "other")).secret);
  expect((await admin.keys.createApiKey(request)).apiKey?.id).not.toBe(id);
});

test("keys are listed in pages, newest first, those of one owner or of all", async () => {
  const { keys } = bed.machine(bed.initialKey);
  const created: string[] = [];
  for (let count = 0; count < 5; count += 1) {
    created.unshift((await bed.create(["wallets:read"], "listed")).id);
  }
  const listed: string[] = [];
  let pageToken = "";
  do {
    const page = await keys.listApiKeys({ owner: "listed", pageSize: 2, pageToken });
    listed.push(...page.apiKeys.map(({ id }) => id));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(listed).toEqual(created);
  const everybody = await keys.listApiKeys({ pageSize: 1_000 });
  expect(everybody.apiKeys).toHaveLength(await countKeys());
});

test("other services are told which hashes are those of valid keys", async () => {
  const checker = bed.machine((await bed.create(["api_keys:check"])).secret).keys;
  const valid = await bed.create(["wallets:read", "history:read"], "reader");
  const revoked = await bed.create(["wallets:read"]);
  await bed.machine(bed.initialKey).keys.revokeApiKey({ id: revoked.id });
  const hashes = [valid.secret, revoked.secret, forged].map((each) =>
    Buffer.from(apiKeyHash(each), "hex"),
  );
  const { apiKeys } = await checker.checkApiKeys({ secretHashes: hashes });
  expect(apiKeys).toMatchObject([
    { id: valid.id, owner: "reader", scopes: ["wallets:read", "history:read"] },
  ]);
  expect(apiKeys.map(({ secretHash }) => Buffer.from(secretHash))).toEqual([hashes[0]]);
});

test("the service's role can neither change nor remove a key or a revocation", async () => {
  const { id } = await bed.create(["wallets:read"]);
  await bed.machine(bed.initialKey).keys.revokeApiKey({ id });
  const sql = postgres(bed.database.serviceUrl, { max: 1 });
  try {
    for (const statement of [
      "update api_keys set scopes = '{admin}'",
      "delete from api_keys",
      "update api_key_revocations set revoke_time = null",
      "delete from api_key_revocations",
      "truncate api_key_revocations",
    ]) {
      await expect(sql.unsafe(statement), statement).rejects.toThrow("permission denied");
    }
  } finally {
    await sql.end({ timeout: 1 });
  }
});
