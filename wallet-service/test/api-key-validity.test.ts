import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { errorReason } from "@pelikuni/runtime/rpc-errors";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTcpProxy } from "../../e2e/src/tcp-proxy.ts";
import { type ApiKeyBed, chooseSecret, failureOf, startApiKeyBed } from "./api-key-bed.ts";

const keptMs = 10_000;
let bed: ApiKeyBed;

beforeAll(async () => {
  bed = await startApiKeyBed();
});

afterAll(async () => {
  await bed[Symbol.asyncDispose]();
});

test("a revoked key is refused at once here, and ten seconds later by another replica", async () => {
  let aheadMs = 0;
  await using replica = await startApiKeyBed({
    shared: bed.database,
    now: () => Date.now() + aheadMs,
  });
  const { id, secret } = await bed.create(["wallets:read"]);
  await bed.machine(secret).wallets.listWallets({});
  await replica.machine(secret).wallets.listWallets({});

  const { keys } = bed.machine(bed.initialKey);
  const { apiKey } = await keys.revokeApiKey({ id: id.toUpperCase() });
  expect(apiKey?.revokedBy).toMatchObject({ issuer: "api-key", subject: "initial" });
  expect(timestampMs(apiKey?.revokeTime ?? timestampFromMs(0))).toBeGreaterThan(
    Date.now() - 60_000,
  );
  const refused = { code: Code.Unauthenticated };
  expect(await failureOf(bed.machine(secret).wallets.listWallets({}))).toMatchObject(refused);
  await replica.machine(secret).wallets.listWallets({});
  aheadMs = keptMs;
  expect(await failureOf(replica.machine(secret).wallets.listWallets({}))).toMatchObject(refused);

  // Again, also by somebody else: it stays what it was.
  const again = await replica.machine(replica.initialKey).keys.revokeApiKey({ id });
  expect(again.apiKey).toEqual(apiKey);
  const unknown = await failureOf(
    keys.revokeApiKey({ id: "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1" }),
  );
  expect(errorReason(unknown)).toBe("API_KEY_NOT_FOUND");
});

test("a key is refused from its expire_time on", async () => {
  let aheadMs = 0;
  await using replica = await startApiKeyBed({
    shared: bed.database,
    now: () => Date.now() + aheadMs,
  });
  const expireTime = timestampFromMs(Date.now() + 5_000);
  const { keys } = bed.machine(bed.initialKey);
  const created = await keys.createApiKey({ owner: "short", scopes: ["wallets:read"], expireTime });
  expect(created.apiKey?.expireTime).toEqual(expireTime);
  const { wallets } = replica.machine(created.secret);
  await wallets.listWallets({});
  aheadMs = 5_000;
  expect(await failureOf(wallets.listWallets({}))).toMatchObject({ code: Code.Unauthenticated });
});

test("while the database is away keys of the last ten seconds go on, and no other is called wrong", async () => {
  const { hostname: host, port } = new URL(bed.database.serviceUrl);
  await using proxy = await startTcpProxy({ host, port: Number(port) });
  const url = new URL(bed.database.serviceUrl);
  url.port = String(proxy.port);
  const settings = { database: { url: url.href, connections_max: 4 } };
  await using replica = await startApiKeyBed({ shared: bed.database, settings });
  const known = replica.machine((await bed.create(["wallets:read"])).secret).wallets;
  const other = replica.machine((await bed.create(["wallets:read"])).secret).wallets;
  await known.listAccounts({});
  await proxy.setMode("refuse");
  await known.listAccounts({});
  const failure = await failureOf(other.listAccounts({}));
  expect([failure.code, errorReason(failure)]).toEqual([Code.Unavailable, "DATABASE_UNAVAILABLE"]);
  await proxy.setMode("forward");
  await expect.poll(() => other.listAccounts({}).catch(() => undefined)).toBeDefined();
});

test("an initial key is made once by any number of replicas, and not again after its revocation", async () => {
  const auth = { initial_api_key: chooseSecret(), initial_history_api_key: chooseSecret() };
  const replicas = await Promise.all(
    [1, 2, 3].map(() => startApiKeyBed({ shared: bed.database, auth })),
  );
  const [first] = replicas;
  if (first === undefined) throw new Error("There is no replica.");
  const { keys, wallets } = first.machine(auth.initial_api_key);
  const find = async (secret: string) => {
    const { apiKeys } = await keys.listApiKeys({ pageSize: 1_000 });
    return apiKeys.filter(({ prefix }) => secret.startsWith(prefix));
  };
  const found = await find(auth.initial_api_key);
  expect(found).toMatchObject([{ owner: "initial" }]);
  expect(found[0]?.scopes).toEqual(
    expect.arrayContaining(["admin", "wallets:fund", "history:read"]),
  );
  expect(found[0]?.createdBy).toBeUndefined();
  expect(await find(auth.initial_history_api_key)).toMatchObject([
    { owner: "history-service", scopes: ["history:read", "api_keys:check"] },
  ]);
  await wallets.listWallets({});
  await keys.revokeApiKey({ id: found[0]?.id ?? "" });
  for (const replica of replicas) await replica[Symbol.asyncDispose]();

  await using restarted = await startApiKeyBed({ shared: bed.database, auth });
  const refused = await failureOf(restarted.machine(auth.initial_api_key).wallets.listWallets({}));
  expect(refused).toMatchObject({ code: Code.Unauthenticated });
  expect(restarted.logged.join("")).toContain("auth.initial_api_key was revoked: take it out.");
});

test("a service whom nobody can call says what to set", async () => {
  await using closed = await startApiKeyBed({ auth: { initial_api_key: undefined } });
  expect(closed.logged.join("")).toContain("APP__AUTH__INITIAL_API_KEY gives the first.");
  expect(bed.logged.join("")).not.toContain("Nobody can call");
});
