import { randomBytes } from "node:crypto";
import { gatewaySchema, startGateway } from "@pelikuni/gateway/start-gateway";
import { authSchema } from "@pelikuni/runtime/access/auth-configuration";
import { createLogger } from "@pelikuni/runtime/logger";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startHistory, startWallets } from "../src/history-bed.ts";
import {
  audience,
  type IdentityProvider,
  startIdentityProvider,
} from "../src/identity-provider.ts";
import { createTestDatabase } from "../src/test-database.ts";
import { type RestAnswer, type RestService, restClient } from "./rest-service.ts";

const scopes = ["wallets:fund", "history:read"];
const unknownId = "0198c0de-7a11-7c3b-9f63-1f0f8ad2f3a1";
const logger = createLogger("test", { level: "silent", format: "json" });

type User = "alice" | "bob" | "carol" | "operator";

let bed: AsyncDisposable;
let provider: IdentityProvider;
let send: RestService["send"];
const tokens = new Map<User, string>();
const wallets = new Map<User, string>();
let paid: RestAnswer;

beforeAll(async () => {
  bed = await buildWithResources(async (resources) => {
    provider = resources.use(await startIdentityProvider(scopes));
    const secret = `pelikuni_${randomBytes(24).toString("hex")}`;
    const issuers = [{ issuer: provider.issuer, audience }];
    const auth = authSchema.parse({ issuers, api_keys: true, initial_history_api_key: secret });
    const walletDatabase = resources.use(await createTestDatabase());
    const historyDatabase = resources.use(await createTestDatabase());
    const wallet = resources.use(await startWallets(walletDatabase, { auth }));
    const { grpcPort: walletGrpcPort } = wallet;
    const credentials = { api_key: secret };
    const history = resources.use(
      await startHistory(historyDatabase, { auth, walletGrpcPort, credentials }),
    );
    const configuration = gatewaySchema.parse({
      port: 0,
      wallet_service_address: `127.0.0.1:${walletGrpcPort}`,
      history_service_address: `127.0.0.1:${history.grpcPort}`,
    });
    const gateway = resources.use(await startGateway({ configuration, logger }));
    ({ send } = restClient(`http://127.0.0.1:${gateway.port}`));
    return { [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose]() };
  });
  for (const user of ["alice", "bob", "carol"] as const) {
    tokens.set(user, await provider.userToken(user));
    const created = await as(user, "POST", "/wallets", { user_id: user });
    wallets.set(user, Object(created.body).id);
  }
  tokens.set("operator", await provider.machineToken("operator", { scopes }));
  await as("operator", "POST", `/wallets/${wallets.get("alice")}/fund`, { amount: "100" });
  const transfer = { to_wallet_id: wallets.get("bob"), amount: "12.5", reference: "rent" };
  const key = { "Idempotency-Key": "alices-key" };
  paid = await as("alice", "POST", `/wallets/${wallets.get("alice")}/transfer`, transfer, key);
  expect(paid.status, JSON.stringify(paid.body)).toBe(200);
});

afterAll(() => bed[Symbol.asyncDispose]());

/** A call with the token of somebody. */
async function as(
  user: User,
  ...[method, path, body, headers]: Parameters<typeof send>
): ReturnType<typeof send> {
  return await send(method, path, body, {
    Authorization: `Bearer ${tokens.get(user)}`,
    ...headers,
  });
}

/** Reads once history has the transfer. */
async function read(
  user: User,
  path: string,
  query: Record<string, string> = {},
): Promise<RestAnswer> {
  const minPosition = paid.headers.get("position") ?? "";
  const all = new URLSearchParams({ ...query, min_position: minPosition });
  return await as(user, "GET", `${path}?${all}`);
}

function transactionPath(): string {
  return `/transactions/${paid.headers.get("transaction-id")}`;
}

function byAlice(): object {
  const actor = { issuer: provider.issuer, subject: "alice", client: "wallet-app" };
  return { request_id: "alices-key", actor };
}

test("who pays reads what she asked for herself, and not that she was paid by an operator", async () => {
  const { status, body } = await read("alice", `/wallets/${wallets.get("alice")}/history`);
  expect(status).toBe(200);
  expect(body).toMatchObject([
    { kind: "transfer_completed", amount: "-12.5000", head: "", reference: "rent", ...byAlice() },
    { kind: "wallet_funded", request_id: "" },
    { kind: "wallet_created" },
  ]);
  expect(Object(body)[1]).not.toHaveProperty("actor");
});

test("who is paid reads his own side, and neither whose key it was nor who asked", async () => {
  const { body } = await read("bob", `/wallets/${wallets.get("bob")}/history`);
  const [received] = Object(body);
  expect(received).toMatchObject({
    amount: "12.5000",
    request_id: "",
    head: "",
    reference: "rent",
  });
  expect(received).not.toHaveProperty("actor");
  const shown = await read("bob", transactionPath());
  expect(shown.body).toMatchObject({
    request_id: "",
    head: "",
    event_bytes: "",
    legs: [{ from: { wallet_id: wallets.get("alice") }, amount: "12.5000" }],
    changes: [{ user_id: "bob", balance: "12.5000", previous_head: "" }],
  });
  expect(JSON.stringify(shown.body)).not.toContain("87.5000");
  expect(shown.body).not.toHaveProperty("actor");
});

test("somebody else gets the answer for what does not exist", async () => {
  const paths = ["history", "balance", "statement"].map((name) => `/wallets/the-id/${name}`);
  const period = { from: "2020-01-01", to: "2100-01-01" };
  for (const path of [...paths, "/transactions/the-id"]) {
    const isWallet = path.startsWith("/wallets");
    const foreignId = isWallet ? wallets.get("bob") : paid.headers.get("transaction-id");
    const query = path.endsWith("statement") ? period : {};
    const [foreign, missing] = await Promise.all(
      [foreignId ?? "", unknownId].map(async (id) => {
        const { status, body } = await read("carol", path.replace("the-id", id), query);
        return JSON.stringify({ status, body }).replaceAll(id, "the-id");
      }),
    );
    expect(foreign).toBe(missing);
    expect(foreign).toContain('"status":404');
  }
});

test("who may read history sees both sides, and who asked", async () => {
  const shown = await read("operator", transactionPath());
  expect(shown.body).toMatchObject({
    ...byAlice(),
    changes: [
      { user_id: "alice", balance: "87.5000" },
      { user_id: "bob", balance: "12.5000" },
    ],
  });
  const [, funded] = Object(
    (await read("operator", `/wallets/${wallets.get("alice")}/history`)).body,
  );
  expect(funded).toMatchObject({
    actor: { issuer: provider.issuer, subject: "operator", client: "operator" },
  });
});

test("a statement as CSV ends with who asked, as far as its reader may know", async () => {
  const period = { from: "2020-01-01", to: "2100-01-01", format: "csv" };
  const path = `/wallets/${wallets.get("alice")}/statement`;
  const { body } = await read("alice", path, period);
  const [, , created, funded, transferred] = String(body).split("\r\n");
  expect(created).toMatch(/"alice","wallet-app"$/);
  expect(funded).toMatch(/,,,$/);
  expect(transferred).toMatch(/"alice","wallet-app"$/);
});
