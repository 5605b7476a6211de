import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { request } from "node:https";
import path from "node:path";
import { json } from "node:stream/consumers";
import { promisify } from "node:util";
import { gatewaySchema, startGateway } from "@pelikuni/gateway/start-gateway";
import {
  historyServiceSchema,
  startHistoryService,
} from "@pelikuni/history-service/start-history-service";
import { authSchema } from "@pelikuni/runtime/access/auth-configuration";
import { createLogger } from "@pelikuni/runtime/logger";
import { buildWithResources } from "@pelikuni/runtime/resource-stack";
import {
  startWalletService,
  walletServiceSchema,
} from "@pelikuni/wallet-service/start-wallet-service";
import postgres from "postgres";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runHistoryCommand } from "../src/history-command.ts";
import { startOwnPostgres } from "../src/own-postgres.ts";
import {
  createTestAuthority,
  type TestCertificateFiles,
  writeCertificate,
} from "../src/test-certificates.ts";
import { createTestDirectory } from "../src/test-directory.ts";

const apiKey = `pelikuni_${"0123456789abcdef".repeat(3)}`;
const lines: string[] = [];
const logger = createLogger(
  "test",
  { level: "trace", format: "json" },
  { write: (line) => lines.push(line) },
);
const project = path.resolve(import.meta.dirname, "../..");
const services = ["127.0.0.1", "localhost"];

/** Everything, with TLS on each port and connection, and certificates of clients where it can ask. */
interface SecureSystem extends AsyncDisposable {
  readonly restPort: number;
  readonly historyGrpcPort: number;
  readonly walletGrpcPort: number;
  readonly ca: string;
  /** An operator who may read history. */
  readonly operator: TestCertificateFiles;
  /** A client of the same authority whom the services do not know. */
  readonly stranger: TestCertificateFiles;
  readonly passwords: readonly string[];
}

let system: SecureSystem;
beforeAll(async () => {
  system = await startSecureSystem();
});
afterAll(() => system[Symbol.asyncDispose]());

async function startSecureSystem(): Promise<SecureSystem> {
  return await buildWithResources(async (resources) => {
    const directory = await createTestDirectory();
    const authority = createTestAuthority();
    const certificate = (commonName: string, names: readonly string[] = []): TestCertificateFiles =>
      writeCertificate(directory, authority, { commonName, names });
    const [server, gateway, history, operator, stranger] = [
      certificate("services", services),
      certificate("gateway"),
      certificate("history-service"),
      certificate("operator"),
      certificate("stranger"),
    ];
    const { ca_file } = server;
    const database = resources.use(await startOwnPostgres());
    await createDatabase(database.ownerUrl, "history");
    await database.encrypt({
      server: authority.issue({ commonName: "postgres", names: services }),
      clientAuthority: authority.certificate,
    });
    const port = {
      host: "127.0.0.1",
      port: 0,
      tls: { ...server, client_certificates: "required" },
    };
    const common = (name: string) => ({
      grpc: port,
      http: { ...port, cors_origins: [] },
      limits: {},
      database: {
        url: database.serviceUrl.replace(/[^/]*$/, name),
        migration_url: database.ownerUrl.replace(/[^/]*$/, name),
        connections_max: 4,
        tls: { enabled: true, ...history },
      },
    });
    const auth = authSchema.parse({
      required: true,
      api_keys: true,
      initial_api_key: apiKey,
      certificates: [
        { name: "history-service", scopes: ["history:read", "api_keys:check"] },
        { name: "operator", scopes: ["history:read"] },
      ],
    });
    const wallet = resources.use(
      await startWalletService({
        configuration: walletServiceSchema.parse({
          ...common("pelikuni"),
          queue_length_max: 10_000,
          cached_wallets_max: 1_000,
          currencies: { USD: { decimals: 4 } },
          accounts: ["external"],
          hold_days_max: 31,
          request_ids_kept_days: 7,
        }),
        auth,
        logger,
      }),
    );
    const histories = resources.use(
      await startHistoryService({
        configuration: historyServiceSchema.parse({
          ...common("history"),
          source: "feed",
          kafka_group: "unused",
          wallet_service_address: `localhost:${wallet.grpcPort}`,
          wallet_service_tls: { enabled: true, ...history },
        }),
        auth,
        logger,
      }),
    );
    const rest = resources.use(
      await startGateway({
        configuration: gatewaySchema.parse({
          port: 0,
          tls: { certificate_file: server.certificate_file, key_file: server.key_file },
          wallet_service_address: `127.0.0.1:${wallet.grpcPort}`,
          wallet_service_tls: { enabled: true, ...gateway },
          history_service_address: `127.0.0.1:${histories.grpcPort}`,
          history_service_tls: { enabled: true, ...gateway },
        }),
        logger,
      }),
    );
    return {
      restPort: rest.port,
      historyGrpcPort: histories.grpcPort,
      walletGrpcPort: wallet.grpcPort,
      ca: readFileSync(ca_file, "utf8"),
      operator,
      stranger,
      passwords: [database.ownerUrl, database.serviceUrl].map((url) => new URL(url).password),
      [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
    };
  });
}

async function createDatabase(ownerUrl: string, name: string): Promise<void> {
  const sql = postgres(ownerUrl, { max: 1 });
  try {
    await sql`create database ${sql(name)}`;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function send(
  method: string,
  route: string,
  body?: object,
  headers: Record<string, string> = { authorization: `Bearer ${apiKey}` },
): Promise<{ status: number | undefined; headers: NodeJS.Dict<string | string[]>; body: unknown }> {
  const { restPort: port, ca } = system;
  const type = body === undefined ? {} : { "content-type": "application/json" };
  const options = { host: "localhost", port, ca, method, path: route };
  const call = request({ ...options, headers: { ...headers, ...type } });
  const answered = once(call, "response");
  call.end(body && JSON.stringify(body));
  const [response] = await answered;
  return { status: response.statusCode, headers: response.headers, body: await json(response) };
}

test("money moves from https to an encrypted database, and is read back from history", async () => {
  const created = await send("POST", "/wallets", { user_id: "alice" });
  expect(created).toMatchObject({ status: 201, body: { user_id: "alice" } });
  const id = idOf(created.body);
  const funded = await send("POST", `/wallets/${id}/fund`, { amount: "10" });
  expect(funded).toMatchObject({ status: 200, body: { balance: "10.0000" } });
  const position = String(funded.headers.position);
  const entries = await send("GET", `/wallets/${id}/history?min_position=${position}`);
  expect(entries).toMatchObject({ status: 200 });
  expect(entries.body).toHaveLength(2);
});

function idOf(body: unknown): string {
  if (typeof body === "object" && body !== null && "id" in body) return String(body.id);
  throw new Error(`No wallet: ${JSON.stringify(body)}`);
}

test("the gateway's certificate gives nobody rights who comes without his own", async () => {
  const answer = await send("GET", "/wallets", undefined, {});
  expect(answer).toMatchObject({ status: 401, body: { reason: "UNAUTHENTICATED" } });
});

test.each(["reconcile", "verify-journal"])("%s asks over TLS by its certificate", async (name) => {
  const { code, output } = await runHistoryCommand(name, address(), commandTls(system.operator));
  expect(output).toMatch(/0 (findings|differ)/);
  expect(code).toBe(0);
});

test("a command is refused whose certificate has no rights, or that has none", async () => {
  const stranger = await runHistoryCommand("reconcile", address(), commandTls(system.stranger));
  expect(stranger).toMatchObject({ code: 2, output: expect.stringMatching(/unauthenticated/i) });
  const { ca_file } = system.operator;
  const nobody = await runHistoryCommand("reconcile", address(), {
    APP__COMMANDS__TLS__ENABLED: "true",
    APP__COMMANDS__TLS__CA_FILE: ca_file,
  });
  expect(nobody).toMatchObject({ code: 2, output: expect.stringContaining("gave no answer") });
  const plain = await runHistoryCommand("reconcile", address());
  expect(plain).toMatchObject({ code: 2, output: expect.stringContaining("gave no answer") });
});

function address(): string {
  return `localhost:${system.historyGrpcPort}`;
}

function commandTls(files: TestCertificateFiles): Record<string, string> {
  return {
    APP__COMMANDS__TLS__ENABLED: "true",
    APP__COMMANDS__TLS__CA_FILE: files.ca_file,
    APP__COMMANDS__TLS__CERTIFICATE_FILE: files.certificate_file,
    APP__COMMANDS__TLS__KEY_FILE: files.key_file,
  };
}

test("the health check works over TLS, with a certificate where one is asked for", async () => {
  const { ca_file, certificate_file, key_file } = system.stranger;
  const ca = ["--ca-file", ca_file];
  const own = ["--certificate-file", certificate_file, "--key-file", key_file];
  const grpc = `https://localhost:${system.walletGrpcPort}`;
  await checkHealth([grpc, ...ca, ...own]);
  await checkHealth([`https://localhost:${system.restPort}/health`, ...ca]);
  await expect(checkHealth([grpc, ...ca])).rejects.toThrow();
  await expect(checkHealth([`https://localhost:${system.restPort}/health`])).rejects.toThrow();
});

async function checkHealth(args: readonly string[]): Promise<void> {
  const node = ["--conditions=source", "--import", import.meta.resolve("tsx/esm")];
  const file = path.join(project, "deploy/check-health.mjs");
  await promisify(execFile)(process.execPath, [...node, file, ...args]);
}

test("neither the log nor the process listing tells a password or a key", () => {
  const secrets = [apiKey, ...system.passwords];
  expect(lines.length).toBeGreaterThan(0);
  for (const secret of secrets) expect(lines.join("")).not.toContain(secret);
  for (const line of processListing()) {
    for (const secret of secrets) expect(line).not.toContain(secret);
  }
});

/** The command lines of all processes, where the system shows them as files. */
function processListing(): string[] {
  if (!existsSync("/proc/self/cmdline")) return [];
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8");
    } catch {
      // It has ended meanwhile.
      return "";
    }
  });
}
